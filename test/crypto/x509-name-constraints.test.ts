import { describe, expect, it } from "vitest";
import { parseCertificate } from "../../src/crypto/x509.ts";
import { violationOf } from "../../src/crypto/x509-name-constraints.ts";
import { codeOf } from "../support/errors.ts";
import {
  attribute,
  context,
  directory,
  dns,
  email,
  extension,
  implicit,
  ip,
  issue,
  type NameSpec,
  name,
  nameConstraints,
  nothing,
  otherName,
  parse,
  san,
  uri,
  utf8,
} from "../support/x509.ts";
import { integer, sequence, tlv } from "./der.ts";

type Bases = readonly Uint8Array[];

function isAllowed(permitted: Bases, excluded: Bases, names: Bases, subject: NameSpec = { CN: "leaf" }): boolean {
  const { nameConstraints: constraints } = parse(issue({ extensions: [nameConstraints(permitted, excluded)] }));
  if (constraints === undefined) throw new Error("no constraints");
  const certificate = parse(issue({ subject, extensions: names.length === 0 ? [] : [san(names, true)] }));
  return violationOf(constraints, certificate) === undefined;
}
const permits = (base: Uint8Array, ...names: Bases) => isAllowed([base], [], names);
const excludes = (base: Uint8Array, ...names: Bases) => !isAllowed([], [base], names);

describe("name constraints on hosts", () => {
  it("speak of a host and all below it, or with a dot of those below only", () => {
    expect(permits(dns("example.com"), dns("example.com"), dns("a.example.com"))).toBe(true);
    expect(permits(dns(".example.com"), dns("a.example.com"))).toBe(true);
    expect(permits(dns(".example.com"), dns("example.com"))).toBe(false);
    expect(permits(dns(""), dns("example.com"))).toBe(true);
    expect(excludes(dns(""), dns("example.com"))).toBe(true);
    expect(permits(dns("com"), dns("example.com"))).toBe(true);
  });

  it.each(["example.com.", "*.example.com", "a..example.com", ".example.com", "exa mple.com", "-", "example.com:80"])(
    "allow no name that cannot be judged: %s",
    (host) => {
      expect(permits(dns("example.com"), dns(host))).toBe(false);
      expect(permits(dns(""), dns(host))).toBe(false);
      expect(excludes(dns("example.org"), dns(host))).toBe(true);
    },
  );

  it.each(["example.com.", "*.com", "..example.com", "a b"])("that cannot be judged allow no name: %s", (base) => {
    expect(permits(dns(base), dns("example.com"))).toBe(false);
    expect(excludes(dns(base), dns("unrelated.org"))).toBe(true);
  });
});

describe("name constraints on URIs", () => {
  it("speak of the host alone", () => {
    for (const good of [
      "https://example.com",
      "https://EXAMPLE.com/",
      "ssh://git@example.com:22/x",
      "x+y.z-1://example.com?a",
      "https://example.com#@evil.com",
    ])
      expect(permits(uri("example.com"), uri(good)), good).toBe(true);
    for (const bad of [
      "https://evil.com/example.com",
      "https://evil.com?example.com",
      "https://evil.com#example.com",
      "https://a.example.com",
      "https://example.com.evil.com",
    ])
      expect(permits(uri("example.com"), uri(bad)), bad).toBe(false);
  });

  it.each([
    "urn:x",
    "https:/example.com",
    "//example.com",
    "https://",
    "https:///x",
    "https://10.0.0.1/",
    "https://[::1]/",
    "https://example.com\\@evil.com/",
    "https://a@b@example.com/",
    "mailto:ci@example.com",
    "https://example.com:x/",
  ])("allow no URI that cannot be judged: %s", (text) => {
    expect(permits(uri("example.com"), uri(text))).toBe(false);
    expect(excludes(uri("example.org"), uri(text))).toBe(true);
  });

  it("are never for all hosts", () => {
    expect(permits(uri(""), uri("https://example.com"))).toBe(false);
    expect(excludes(uri(""), uri("https://example.com"))).toBe(true);
  });
});

describe("name constraints on e-mail addresses", () => {
  it.each(["ci", "ci@", "@example.com", "ci@a@example.com", '"ci"@example.com', "c i@example.com", "ci@example.com."])(
    "allow no address that cannot be judged: %s",
    (address) => {
      expect(permits(email("example.com"), email(address))).toBe(false);
      expect(excludes(email("example.org"), email(address))).toBe(true);
    },
  );

  it("speak of a mailbox, of a host, or of the hosts below a domain", () => {
    expect(permits(email("ci@example.com"), email("ci@example.com"))).toBe(true);
    expect(permits(email("ci@example.com"), email("cd@example.com"))).toBe(false);
    expect(permits(email("ci@example.com"), email("ci@example.org"))).toBe(false);
    expect(excludes(email("ci@example.com"), email("cd@example.com"))).toBe(false);
    expect(excludes(email("@example.com"), email("ci@example.com"))).toBe(false);
    expect(excludes(email("ci@"), email("ci@example.com"))).toBe(true);
  });

  it("speak of addresses in the subject, too", () => {
    const inSubject = (emailAddress: string) => isAllowed([email("example.com")], [], [], { CN: "x", emailAddress });
    expect(inSubject("ci@example.com")).toBe(true);
    expect(inSubject("ci@example.org")).toBe(false);
  });
});

describe("name constraints on addresses", () => {
  const six = (...low: readonly number[]) => [0x20, 1, 0xd, 0xb8, ...Array<number>(12 - low.length).fill(0), ...low];

  it("speak of ranges of one family", () => {
    expect(permits(ip(10, 1, 0, 0, 255, 255, 0, 0), ip(10, 1, 9, 9))).toBe(true);
    expect(permits(ip(10, 1, 0, 0, 255, 255, 0, 0), ip(10, 2, 0, 0))).toBe(false);
    expect(permits(ip(10, 1, 0, 0, 255, 128, 0, 0), ip(10, 127, 0, 0))).toBe(true);
    expect(permits(ip(...six(), ...Array<number>(4).fill(255), ...Array<number>(12).fill(0)), ip(...six(7)))).toBe(
      true,
    );
    expect(permits(ip(0, 0, 0, 0, 0, 0, 0, 0), ip(...six(7)))).toBe(false);
    expect(excludes(ip(0, 0, 0, 0, 0, 0, 0, 0), ip(...six(7)))).toBe(false);
    expect(excludes(ip(0, 0, 0, 0, 0, 0, 0, 0), ip(1, 2, 3, 4))).toBe(true);
  });
});

describe("name constraints on directory names", () => {
  const acme = directory(sequence(tlv(0x31, attribute("O", "Acme"))));

  it("speak of the subject and of alternative names, byte by byte", () => {
    expect(isAllowed([acme], [], [], { O: "Acme" })).toBe(true);
    expect(isAllowed([acme], [], [], { O: "Acme", CN: "x".repeat(200) })).toBe(true);
    expect(isAllowed([acme], [], [], { O: "ACME", CN: "x" })).toBe(false);
    expect(isAllowed([acme], [], [directory(name({ O: "Evil" }))], { O: "Acme" })).toBe(false);
    expect(isAllowed([acme], [], [directory(name({ O: "Acme" }))], { O: "Acme" })).toBe(true);
    expect(isAllowed([directory(sequence())], [], [], { O: "Acme" })).toBe(true);
  });

  it("do not speak of a subject that is empty", () => {
    const constraints = parse(issue({ extensions: [nameConstraints([acme])] })).nameConstraints;
    const certificate = parse(
      issue({ subject: {}, extensions: [san([email("ci@example.com")], true)], issuer: issue() }),
    );
    expect(constraints && violationOf(constraints, certificate)).toBeUndefined();
  });

  it("allow nothing when they exclude, which is not supported", () => {
    expect(isAllowed([], [acme], [], { O: "Other" })).toBe(false);
  });
});

describe("name constraints of other kinds", () => {
  it("allow nothing", () => {
    expect(permits(otherName("1.2.3", utf8("x")), email("ci@example.com"))).toBe(false);
    expect(excludes(implicit(8, Buffer.from([0x2a])), email("ci@example.com"))).toBe(true);
  });

  it("say what was expected and what was found", () => {
    const { nameConstraints: constraints } = parse(
      issue({
        extensions: [nameConstraints([dns("example.com"), email("example.com"), ip(10, 0, 0, 0, 255, 0, 0, 0)], [])],
      }),
    );
    const violation = (base: Uint8Array) =>
      constraints && violationOf(constraints, parse(issue({ extensions: [san([base])] })));
    expect(violation(dns("evil.com"))).toEqual({ expected: 'a name within dns:"example.com"', found: "dns:evil.com" });
    expect(violation(ip(9, 9, 9, 9))).toEqual({ expected: "a name within ip:0a000000ff000000", found: "ip:9.9.9.9" });
  });
});

describe("name constraints that are malformed", () => {
  const base = sequence(dns("example.com"));
  const wrong: Readonly<Record<string, Uint8Array>> = {
    "an empty list": sequence(),
    "no permitted names": sequence(context(0, Buffer.alloc(0))),
    "257 permitted names": sequence(context(0, Buffer.concat(Array<Uint8Array>(257).fill(base)))),
    "excluded before permitted": sequence(context(1, base), context(0, base)),
    "a third field": sequence(context(0, base), nothing),
    "a constraint without base": sequence(context(0, sequence())),
    "a minimum": sequence(context(0, sequence(dns("example.com"), tlv(0x80, Buffer.from([0]))))),
    "a maximum": sequence(context(0, sequence(dns("example.com"), tlv(0x81, Buffer.from([5]))))),
    "a base that is no sequence": sequence(context(0, integer(1n))),
    "a host that is not ASCII": sequence(context(0, sequence(dns("exämple.com")))),
    "an address without mask": sequence(context(0, sequence(ip(10, 0, 0, 0)))),
    "a mask with holes": sequence(context(0, sequence(ip(10, 0, 0, 0, 255, 0, 255, 0)))),
    "a range of six bytes": sequence(context(0, sequence(ip(1, 2, 3, 255, 255, 255)))),
    "an empty directory name": sequence(context(0, sequence(context(4, Buffer.alloc(0))))),
    "two directory names": sequence(context(0, sequence(context(4, Buffer.concat([name("a"), name("b")]))))),
    "a directory name that is text": sequence(context(0, sequence(context(4, utf8("a"))))),
  };
  it.each(Object.entries(wrong))("are refused with %s", (_, value) => {
    const { der } = issue({ extensions: [extension("2.5.29.30", value, true)] });
    expect(codeOf(() => parseCertificate(der))).toBe("CERTIFICATE_INVALID");
  });

  it("may be 256", () => {
    const value = sequence(context(0, Buffer.concat(Array<Uint8Array>(256).fill(base))));
    expect(codeOf(() => parse(issue({ extensions: [extension("2.5.29.30", value, true)] })))).toBeUndefined();
  });
});

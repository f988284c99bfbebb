/** One way to authenticate that a `WWW-Authenticate` header offers. Names of schemes and parameters in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const scheme = new RegExp(`[\\s,]*(${token})(?=[\\s,]|$)(?!\\s*=)`, "y");
const parameter = new RegExp(`[\\s,]*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,"]+))`, "y");
const token68 = /[ ]+[A-Za-z0-9._~+/-]+=*(?=[\s,]|$)/y;
const maxLength = 16 * 1024;

/**
 * Parses the challenges of a `WWW-Authenticate` header (RFC 9110 §11.6.1), several joined by commas as well. What cannot
 * be read ends the list. The first of two parameters of one name counts.
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const text = (header ?? "").slice(0, maxLength);
  const challenges: Challenge[] = [];
  for (let at = 0; at < text.length; ) {
    const name = matchAt(scheme, text, at);
    if (name === null) break;
    at = scheme.lastIndex;
    const parameters: Record<string, string> = Object.create(null);
    for (let found = matchAt(parameter, text, at); found !== null; found = matchAt(parameter, text, at)) {
      at = parameter.lastIndex;
      const key = (found[1] ?? "").toLowerCase();
      parameters[key] ??= found[2]?.replace(/\\(.)/g, "$1") ?? found[3] ?? "";
    }
    if (Object.keys(parameters).length === 0 && matchAt(token68, text, at) !== null) at = token68.lastIndex;
    challenges.push({ scheme: (name[1] ?? "").toLowerCase(), parameters });
  }
  return challenges;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

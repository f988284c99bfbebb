import { TrustError } from "../../errors.ts";

const maxPatternLength = 2048;
const maxTextLength = 4096;

/**
 * A test whether an expression matches anywhere in a text, as Go's `regexp.MatchString` does. RE2 takes time linear in the
 * text, whatever the expression. Throws `CONFIG_INVALID`.
 */
export async function createSearch(expression: string): Promise<(value: string) => boolean> {
  if (expression.length > maxPatternLength)
    throw new TrustError("CONFIG_INVALID", "a regular expression is too long", {
      expected: `at most ${maxPatternLength} characters`,
      found: `${expression.length} characters`,
    });
  const { RE2JS } = await import("re2js");
  try {
    const pattern = RE2JS.compile(expression);
    return (value) => value.length <= maxTextLength && pattern.matcher(value).find();
  } catch (cause) {
    throw new TrustError("CONFIG_INVALID", "a regular expression is not valid", {
      expected: "RE2 syntax (github.com/google/re2/wiki/Syntax)",
      found: cause instanceof Error ? cause.message.slice(0, 300) : undefined,
      cause,
    });
  }
}

import { type DerNode, derContent, derError, derTags, tagName } from "./der.ts";

const pattern = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.(\d{1,9}))?Z$/;

/**
 * A GeneralizedTime as RFC 3161 §2.4.2 has it, in milliseconds since 1970, fractions of them included: in UTC, with seconds,
 * and at most 9 digits of fractions that do not end in zero.
 */
export function derGeneralizedTime(node: DerNode): number {
  if (node.tag !== derTags.generalizedTime)
    throw derError(node, "a value is not a time", "generalizedTime", tagName(node.tag));
  const text = derContent(node).toString("latin1");
  const match = pattern.exec(text);
  const fraction = match?.[7];
  if (match === null || fraction?.endsWith("0") === true)
    throw derError(node, "a time is malformed", "YYYYMMDDhhmmss[.f]Z", JSON.stringify(text.slice(0, 40)));
  const [year = 0, month = 0, ...rest] = match.slice(1, 7).map(Number);
  // The year as a text: Date.UTC takes those below 100 for the 1900s. It also lets the 30th of February pass.
  const time = Date.UTC(year, month - 1, ...rest);
  if (year < 1950 || new Date(time).toISOString().replace(/[-:T]|\.000Z/g, "") !== text.slice(0, 14))
    throw derError(node, "there is no such time", "a date of the calendar from 1950 on", JSON.stringify(text));
  return fraction === undefined ? time : time + Number(`0.${fraction}`) * 1000;
}

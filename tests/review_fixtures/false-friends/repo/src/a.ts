export const incognito = window.matchMedia("(incognito)");
const headers = { "sentry-trace": "abc", baggage: "x" };
const lambda = (x: number) => x + 1;
const redistribute = [1, 2].map(lambda);
const athena = { goddess: true };
export { headers, redistribute, athena };

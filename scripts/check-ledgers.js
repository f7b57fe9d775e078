// Reads the JSON line of the webhooks example from standard input; fails unless every ledger balances:
// offered = delivered + dropped (by reason) + expired + duplicate + queued + running, and nothing is left.
"use strict";

const report = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const problems = [];

function count(owner, name, value) {
  if (!Number.isSafeInteger(value) || value < 0) {
    problems.push(`${owner}: ${name} is not a count: ${JSON.stringify(value)}`);
    return 0;
  }
  return value;
}

const published = count("report", "published", report.published);
const subscriptions = Array.isArray(report.subscriptions) ? report.subscriptions : [];
if (published === 0) problems.push("nothing was published");
if (subscriptions.length < 8) problems.push(`${subscriptions.length} subscriptions, at least 8 expected`);

let offered = 0;
let delivered = 0;
let dropped = 0;
subscriptions.forEach((subscription, index) => {
  const owner = `subscription ${index} (${subscription.kind} on ${subscription.pattern})`;
  const field = (name) => count(owner, name, subscription[name]);
  const reasons = subscription.dropped;
  if (reasons === null || typeof reasons !== "object") problems.push(`${owner}: dropped is not an object`);
  const lost = Object.entries(reasons ?? {}).reduce((sum, [reason, n]) => sum + count(owner, `dropped.${reason}`, n), 0);
  const ledger = {
    delivered: field("delivered"),
    dropped: lost,
    expired: field("expired"),
    duplicate: field("duplicate"),
    queued: field("queued"),
    running: field("running"),
  };
  const sum = Object.values(ledger).reduce((a, b) => a + b, 0);
  const source = field("offered");
  if (source !== sum) problems.push(`${owner}: offered ${source}, accounted for ${sum}: ${JSON.stringify(ledger)}`);
  if (ledger.queued + ledger.running !== 0) problems.push(`${owner}: not done: ${JSON.stringify(ledger)}`);
  if (field("failed") > ledger.delivered) problems.push(`${owner}: more failed than delivered`);
  field("filtered");
  field("skipped");
  offered += source;
  delivered += ledger.delivered;
  dropped += lost;
});
if (delivered === 0) problems.push("nothing was delivered");

if (problems.length > 0) {
  problems.forEach((problem) => console.error(`error: ${problem}`));
  process.exit(1);
}
console.log(
  `   ${published} events in ${Number(report.seconds).toFixed(2)} s, ${subscriptions.length} subscriptions: ` +
    `${offered} offered = ${delivered} delivered + ${dropped} dropped + ${offered - delivered - dropped} other`,
);

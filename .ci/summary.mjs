// Adds up the steps and vitest's reports, names what failed or was skipped, and ends with `N passed, N failed` and `, N skipped`.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [directory] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
const remarks = [];

for (const line of readFileSync(join(directory, 'steps'), 'utf8').trim().split('\n')) {
  const [status, name] = line.split(' ');
  total[status] += 1;
  if (status === 'failed') remarks.push(`failed:  step ${name}`);
}
for (const file of readdirSync(directory).filter((name) => name.endsWith('.json'))) {
  for (const suite of JSON.parse(readFileSync(join(directory, file), 'utf8')).testResults) count(suite);
}

function count(suite) {
  const failedBefore = total.failed;
  for (const test of suite.assertionResults) {
    const status = { passed: 'passed', failed: 'failed' }[test.status] ?? 'skipped';
    total[status] += 1;
    if (status !== 'passed') remarks.push(`${`${status}:`.padEnd(9)}${suite.name} > ${test.fullName}`);
  }
  // A file that could not be loaded, or a hook that failed, has no failed test to show for it.
  if (suite.status === 'failed' && total.failed === failedBefore) {
    total.failed += 1;
    remarks.push(`failed:  ${suite.name}: ${suite.message}`);
  }
}

if (remarks.length > 0) console.log(`\n${remarks.join('\n')}`);
const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed === 0 && total.skipped === 0 ? 0 : 1;

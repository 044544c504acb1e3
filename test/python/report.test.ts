import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { differences, parseReport } from './report.ts';

const REPORT = `@@report test_int
<testsuites><testsuite><testcase name="a" status="run" />
<testcase name="b" time="0.1"><skipped /></testcase>
<testcase name="c" time="0.1"><failure type="x">
text</failure></testcase><testcase name="c" time="0.1"></testcase></testsuite></testsuites>
@@end
@@report test_float
@@end
`;

describe("Python's report", () => {
  it('has the outcome of each case; one that failed in a part has failed', () => {
    const report = parseReport(REPORT);
    assert.deepEqual(
      [...(report.get('test_int') ?? [])],
      [
        ['a', 'passed'],
        ['b', 'skipped'],
        ['c', 'failed'],
      ],
    );
    assert.equal(report.get('test_float')?.size, 0);
  });

  it('differs where outcomes differ or are absent', () => {
    const host = new Map([['a', 'passed'] as const, ['b', 'passed'] as const]);
    assert.deepEqual(differences(host, new Map([['a', 'failed'] as const])), [
      'a: failed, on the host passed',
      'b: absent, on the host passed',
    ]);
  });
});

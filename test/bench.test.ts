import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConsoleLine, LineStamper } from '../bench/boot.ts';
import { drawChart } from '../bench/chart.ts';
import { measure } from '../bench/measure.ts';
import { geometricMean, median } from '../bench/median.ts';
import { parseOptions } from '../bench/options.ts';
import { formatReport } from '../bench/report.ts';
import { compare } from '../bench/speeds.ts';
import type { Workload } from '../bench/workload.ts';

const NATIVE = { checksum: '00000000000000aa', seconds: 0.5 };
const WORKLOAD: Workload = {
  bits: 64,
  initrd: new Uint8Array(),
  native: new Map([
    ['sieve', NATIVE],
    ['fork', NATIVE],
  ]),
};

/** The console of a guest that ran both rows, a second each, retiring 90 million instructions in each. */
function consoleLines(sieveChecksum: string): ConsoleLine[] {
  const texts = [
    'VITRINE-BENCH BEGIN',
    'VITRINE-BENCH ROW sieve',
    `BENCH sieve 0.900 sum ${sieveChecksum}`,
    'VITRINE-BENCH ROW fork',
    'BENCH fork 0.900 sum 0000000000000007',
    'VITRINE-BENCH END',
  ];
  return texts.map((text, i) => ({ text, atMillis: 10_000 + 1000 * i, instructions: 90e6 * i, cpuMillis: 500 * i }));
}

function report(sieveChecksum: string): string {
  const run = measure(consoleLines(sieveChecksum), 4_000, WORKLOAD);
  const native = Object.fromEntries(WORKLOAD.native);
  const machines = [{ machine: 'Vitrine', version: '1', runs: [run] }];
  return formatReport({ bits: 64, kernel: '6.1', native, machines });
}

test('times are the host’s, from the row’s announcement to its result', () => {
  const run = measure(consoleLines(NATIVE.checksum), 4_000, WORKLOAD);
  assert.equal(run.bootSeconds, 6);
  assert.equal(run.wholeSeconds, 5);
  assert.deepEqual(run.rows.sieve, {
    checksum: NATIVE.checksum,
    right: true,
    seconds: 1,
    instructions: 90e6,
    cpuSeconds: 0.5,
  });
});

test('a row has its time, its factor and its instructions per second', () => {
  const text = report(NATIVE.checksum);
  assert.match(text, /^sieve +0\.500 +1\.000 \(2\.0x\)$/m);
  assert.match(text, /^sieve +90\.0 +90\.0 +180\.0$/m);
});

test('a row with a wrong checksum is refused', () => {
  const text = report('00000000000000ab');
  assert.match(text, /^sieve +0\.500 +WRONG$/m);
  assert.match(text, /^sieve +WRONG +WRONG +WRONG$/m);
});

test('sums that depend on process numbers are not compared', () => {
  assert.equal(measure(consoleLines(NATIVE.checksum), 0, WORKLOAD).rows.fork?.right, true);
});

test('a guest that dies has only the rows that it finished', () => {
  const run = measure(consoleLines(NATIVE.checksum).slice(0, 4), 0, WORKLOAD);
  assert.deepEqual(Object.keys(run.rows), ['sieve']);
  assert.equal(run.wholeSeconds, undefined);
});

test('console bytes become lines without their ends', () => {
  const lines: ConsoleLine[] = [];
  const stamper = new LineStamper((line) => lines.push(line));
  for (const byte of new TextEncoder().encode('one\r\n\ntwo\nrest')) stamper.push(byte);
  assert.deepEqual(
    lines.map(({ text }) => text),
    ['one', '', 'two'],
  );
});

test('the median is the middle, or the mean of the middle two', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 2, 9]), 3);
});

test('the geometric mean is of factors', () => {
  assert.ok(Math.abs(geometricMean([2, 8]) - 4) < 1e-12);
});

test('machines are compared row by row, the compiled workload apart from programs', () => {
  const own = new Map([
    ['sieve', 2],
    ['fork', 1],
    ['gzip', 4],
  ]);
  const other = new Map([
    ['sieve', 4],
    ['fork', 8],
    ['gzip', 2],
  ]);
  const { rows, kernels, programs } = compare('peer', own, other);
  assert.deepEqual([...rows.values()], [2, 8, 0.5]);
  assert.ok(Math.abs((kernels ?? 0) - 4) < 1e-12);
  assert.equal(programs, 0.5);
});

test('a chart has a bar for each row and peer', () => {
  const chart = drawChart('A & B', [compare('peer', new Map([['sieve', 2]]), new Map([['sieve', 4]]))]);
  assert.match(chart, /A &amp; B/);
  assert.match(chart, /<rect [^>]*height="8"[^>]*\/><text [^>]*>2\.00<\/text>/);
});

test('rows are chosen by name or by kind', () => {
  const rowsOf = (...args: string[]) => {
    const options = parseOptions(args);
    return [options?.kernelRows, options?.programs.map(({ name }) => name)];
  };
  assert.deepEqual(rowsOf('--only', 'sieve,gzip'), [['sieve'], ['gzip']]);
  assert.deepEqual(rowsOf('--only', 'kernels'), [undefined, []]);
  assert.deepEqual(rowsOf('--only', 'programs')[0], []);
  assert.equal(rowsOf()[0], undefined);
});

test('less than a whole run is kept only where that is asked for, and is called so', () => {
  const keptOf = (...args: string[]) => {
    const options = parseOptions(args);
    return [options?.partial, options?.save];
  };
  assert.deepEqual(keptOf(), [false, true]);
  assert.deepEqual(keptOf('--peers', 'vitrine,qemu,v86', '--memory', '512'), [false, true]);
  for (const less of [['--only', 'sieve'], ['--quick'], ['--bits', '64'], ['--repetitions', '1']]) {
    assert.deepEqual(keptOf(...less), [true, false]);
    assert.deepEqual(keptOf(...less, '--save'), [true, true]);
  }
});

/**
 * Fuzzing: `node test/fuzz/fuzz.ts --seconds 3600 --seed N`. Executes hostile code in every mode, on a processor alone
 * and on the whole PC, and the same instructions on two engines. Nothing that guest code does may make an error escape,
 * hang the machine, reach memory that is not the guest's, or make memory grow without bound.
 *
 * --case K runs one case of the seed alone, --from J the cases from J to it; --plant adc breaks something on purpose.
 */

import { scriptOptions } from '../script-options.ts';
import { PLANTS } from './plant.ts';
import { type FuzzResult, runFuzz } from './run-fuzz.ts';

const USAGE = { command: 'npm run fuzz', about: 'executes hostile code', example: '--seconds 600 --seed 7' };
const OPTIONS = {
  seconds: { value: 'N', about: 'how long', default: '60' },
  seed: { value: 'N', about: 'which cases', default: '1' },
  case: { value: 'N', about: 'one case alone' },
  from: { value: 'N', about: 'the cases from this one to that of --case' },
  plant: { value: 'NAME', about: `breaks something on purpose: ${PLANTS.join(', ')}` },
} as const;

function number(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a count: ${text}`);
  return value;
}

function printCounts(title: string, counts: ReadonlyMap<string, number>): void {
  console.log(`${title}:`);
  for (const [name, count] of [...counts].sort()) console.log(`  ${name.padEnd(32)} ${count}`);
}

function printResult(result: FuzzResult): void {
  for (const { reproduce, text } of result.findings) console.log(`FOUND ${reproduce}\n${text}\n`);
  printCounts('Cases by mode', result.modes);
  printCounts('Pieces of code by family', result.families);
  const mebibytes = Math.round(result.mostResidentBytes / 2 ** 20);
  console.log(`${result.cases} cases, ${result.retired} instructions, ${result.findings.length} findings`);
  console.log(`at most ${result.mostHandlers} handlers in a processor, ${mebibytes} MiB resident`);
}

const values = scriptOptions(USAGE, OPTIONS);
const plant = PLANTS.find((name) => name === values.plant);
if (values.plant !== undefined && plant === undefined) throw new RangeError(`--plant is one of ${PLANTS.join(', ')}`);
const result = await runFuzz({
  seconds: number(values.seconds) ?? 0,
  seed: number(values.seed) ?? 0,
  only: number(values.case),
  from: number(values.from),
  plant,
});
printResult(result);
process.exitCode = result.findings.length > 0 ? 1 : 0;

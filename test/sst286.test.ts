import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Case286, documentedFiles, type File286, Machine286 } from './oracle/sst286.ts';

const FOLDER = process.env.VITRINE_SST286 ?? fileURLToPath(new URL('../../shared/vectors/sst286', import.meta.url));

/** Where a later processor differs from the 80286, with what the manual says of it. */
interface Difference {
  readonly reason: string;
  /** Opcodes, with the number of cases that differ. */
  readonly opcodes: Readonly<Record<string, number>>;
  readonly applies: (test: Case286) => boolean;
}

const isVector13 = (test: Case286) => test.exception?.number === 13;

const DIFFERENCES: readonly Difference[] = [
  {
    reason:
      'SDM 2, "Real-Address Mode Exceptions": an operand beyond the limit of SS is #SS; the 80286 raises 13 for all words at FFFFh',
    opcodes: { '07': 1, '1F': 1, '31': 1, '81.0': 1, '83.7': 1, 'C1.7': 1, C3: 1, C9: 4, CB: 3, 'FF.1': 1 },
    applies: isVector13,
  },
  {
    reason: 'SDM 3A, 6.5: a fault leaves the registers as before the element that caused it; the 80286 had stepped on',
    opcodes: { '6F': 10, A5: 5, A7: 9, AB: 6, AD: 10, AF: 7 },
    applies: isVector13,
  },
  {
    reason: 'SDM 2B, SAL/SAR/SHL/SHR: OF is undefined for a count other than 1',
    opcodes: { 'C0.5': 36 },
    applies: (test) => test.exception === undefined,
  },
];

function differenceFor(opcode: string, test: Case286): Difference | undefined {
  return DIFFERENCES.find(({ opcodes, applies }) => opcode in opcodes && applies(test));
}

/** Runs the cases of an opcode. @returns those that differ and may not, and how many differ for a known reason */
function judge(machine: Machine286, { opcode, flagsMask, cases }: File286): { wrong: string[]; excused: number } {
  const wrong: string[] = [];
  let excused = 0;
  for (const test of cases) {
    const found = machine.run(test, flagsMask);
    if (found.length === 0) continue;
    if (differenceFor(opcode, test) !== undefined) excused++;
    else wrong.push(`${opcode} ${test.name}: ${found.join('; ')}`);
  }
  return { wrong, excused };
}

const skip = existsSync(FOLDER) ? false : `no vectors at ${FOLDER}; VITRINE_SST286 names their folder`;

test('documented instructions do in real mode what an 80286 did', { skip }, () => {
  const machine = new Machine286();
  const wrong: string[] = [];
  const excused: Record<string, number> = {};
  let count = 0;
  for (const file of documentedFiles(FOLDER)) {
    const result = judge(machine, file);
    wrong.push(...result.wrong);
    if (result.excused > 0) excused[file.opcode] = result.excused;
    count += file.cases.length;
  }
  assert.deepEqual(wrong, []);
  assert.ok(count > 30_000, `${count} cases`);
  assert.deepEqual(excused, Object.assign({}, ...DIFFERENCES.map(({ opcodes }) => opcodes)));
});

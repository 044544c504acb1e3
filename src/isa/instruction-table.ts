/** The table of supported instructions in docs/, written from the rows. */

import { FAMILIES } from './encodings/index.ts';
import { ROWS, type Row } from './rows.ts';

const HEAD = '| Opcode | Instruction | Modes | CPUID | Tested |\n|---|---|---|---|---|';

function modes(row: Row): string {
  if (row.only64) return '64';
  return row.not64 ? '16, 32' : 'all';
}

function line(row: Row, isTested: boolean): string {
  const [opcode, instruction] = row.text.split('|').map((column) => column.trim());
  return `| \`${opcode}\` | \`${instruction}\` | ${modes(row)} | ${row.feature} | ${isTested ? 'yes' : ''} |`;
}

function section(family: string, isTested: (row: Row) => boolean): string {
  const rows = ROWS.filter((row) => row.family === family);
  const tested = rows.filter(isTested).length;
  const lines = rows.map((row) => line(row, isTested(row)));
  return [`## ${family}: ${tested} of ${rows.length}`, '', HEAD, ...lines, ''].join('\n');
}

/**
 * Markdown with every row, by family.
 * @param isTested whether vectors or the privileged suite executed the row
 */
export function instructionTable(isTested: (row: Row) => boolean): string {
  const total = `${ROWS.filter(isTested).length} of ${ROWS.length} encodings are tested.`;
  const legend =
    'Operand codes are those of Intel SDM 2, appendix A.2. This page is generated from `src/isa/encodings/`.';
  const sections = FAMILIES.map(({ name }) => section(name, isTested));
  return ['# Instructions', '', legend, total, '', ...sections].join('\n');
}

// Writes docs/instructions.md anew: `node test/instructions/write-table.ts`.
import { writeFileSync } from 'node:fs';
import { testedInstructionTable, testedRows } from './tested-rows.ts';

writeFileSync(new URL('../../docs/instructions.md', import.meta.url), testedInstructionTable(testedRows()));

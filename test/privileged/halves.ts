/** The two images of the suite and what runs in them. */

import type { Case } from './cases.ts';
import { FAULT_CASES } from './cases-faults.ts';
import { INSTRUCTION_CASES, LONG_INSTRUCTION_CASES } from './cases-instructions.ts';
import { LONG_CASES } from './cases-long.ts';
import { PAGING_CASES } from './cases-paging.ts';
import { TRANSFER_CASES } from './cases-transfers.ts';
import { type Image, image32, image64 } from './image.ts';

export interface Half {
  readonly name: string;
  readonly cases: readonly Case[];
  readonly image: (cases: readonly Case[]) => Image;
  readonly qemu: 'qemu-system-i386' | 'qemu-system-x86_64';
}

export const HALVES: readonly Half[] = [
  {
    name: '16 and 32 bits',
    cases: [...FAULT_CASES, ...TRANSFER_CASES, ...PAGING_CASES, ...INSTRUCTION_CASES],
    image: image32,
    qemu: 'qemu-system-i386',
  },
  {
    name: '64 bits',
    cases: [...LONG_CASES, ...LONG_INSTRUCTION_CASES],
    image: image64,
    qemu: 'qemu-system-x86_64',
  },
];

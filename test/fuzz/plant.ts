/** Faults put in on purpose, to see that fuzzing finds them. */

import { InterpreterLift } from '../../src/cpu/interpreter-lift.ts';
import type { Semantics } from '../../src/isa/lift.ts';
import { SEMANTICS } from '../../src/isa/semantics/index.ts';

/** What can be planted: `adc` adds without the carry on the interpreter; `throw` makes ADD throw an error there. */
export const PLANTS = ['adc', 'throw'] as const;
export type Plant = (typeof PLANTS)[number];

function replace(name: string, change: (lift: Parameters<Semantics>[0], original: Semantics) => void): void {
  const table = SEMANTICS as Record<string, Semantics>;
  const original = table[name];
  table[name] = (lift) => {
    if (lift instanceof InterpreterLift) change(lift, original);
    else original(lift);
  };
}

/** Breaks something in this thread, for good. */
export function plantFault(plant: Plant): void {
  if (plant === 'adc') replace('adc', (lift) => SEMANTICS.add(lift));
  else {
    replace('add', () => {
      throw new Error('a fault that was planted');
    });
  }
}

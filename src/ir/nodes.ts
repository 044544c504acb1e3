import { type Reading, reading } from './kinds.ts';
import type { Type } from './types.ts';
import type { Val } from './val.ts';

/** The tag of variables that have none. */
export const NO_TAG = -1;

/** A mutable local variable of an IR function. */
export class Variable {
  readonly id: number;
  readonly type: Type;
  readonly name: string;
  /** It keeps its place throughout the function: it may be set and read in any order. */
  readonly lasting: boolean;
  /** A small number by which its maker knows it, or {@link NO_TAG}. */
  readonly tag: number;
  /** What a value is that is read from it. */
  readonly reading: Reading;

  constructor(id: number, type: Type, name: string, lasting: boolean, tag = NO_TAG) {
    this.id = id;
    this.type = type;
    this.name = name;
    this.lasting = lasting;
    this.tag = tag;
    this.reading = reading(this);
  }
}

/** The target of `break` and `continue`. */
export interface Label {
  readonly id: number;
}

/** How a host or guest memory access is made. */
export interface Access {
  readonly bytes: 1 | 2 | 4 | 8 | 16;
  readonly signed: boolean;
}

/** A statement: what happens in order. A value stands for its computation. */
export type Stmt =
  | Val
  | { readonly kind: 'set'; readonly variable: Variable; readonly value: Val }
  | {
      readonly kind: 'store';
      readonly bytes: Access['bytes'];
      readonly address: Val;
      readonly offset: number;
      readonly value: Val;
    }
  | {
      readonly kind: 'guestStore';
      readonly bytes: Access['bytes'];
      readonly address: Val;
      readonly segment: Val;
      readonly value: Val;
    }
  | { readonly kind: 'memoryCopy'; readonly target: Val; readonly source: Val; readonly length: Val }
  | { readonly kind: 'memoryFill'; readonly target: Val; readonly value: Val; readonly length: Val }
  | {
      readonly kind: 'if';
      readonly condition: Val;
      readonly consequent: readonly Stmt[];
      readonly otherwise: readonly Stmt[];
      /** `consequent` is rarely reached: values that it alone needs are computed there and not before. */
      readonly cold: boolean;
    }
  | { readonly kind: 'block'; readonly label: Label; readonly body: readonly Stmt[] }
  | { readonly kind: 'loop'; readonly label: Label; readonly body: readonly Stmt[] }
  | { readonly kind: 'break'; readonly label: Label }
  | { readonly kind: 'continue'; readonly label: Label }
  /** Breaks out of the `index`th of `targets`, or of the last where there is none. */
  | { readonly kind: 'switch'; readonly index: Val; readonly targets: readonly Label[] }
  | { readonly kind: 'return'; readonly value?: Val }
  | { readonly kind: 'tailCall'; readonly callee: FunctionRef; readonly args: readonly Val[] }
  | { readonly kind: 'tailCallIndirect'; readonly index: Val; readonly args: readonly Val[] };

/**
 * A function that IR can call: either recorded (`record`), or given by the host (`record` undefined) and imported under
 * its name. The first parameter of a recorded function is always the address of the vCPU's state block.
 */
export interface FunctionRef {
  readonly name: string;
  readonly params: readonly Type[];
  readonly result?: Type;
  /** May leave a pending fault in the state block; callers then return at once. */
  readonly mayFault: boolean;
  /**
   * It may continue in decoded code, and so is handed the functions that decoded code consists of. It gives 1 when the guest has
   * returned to `STATE.rip`, where who called goes on, and 0 when control has to go back to the run loop.
   */
  readonly threaded: boolean;
}

/** The threaded function in a slot of the function table, called with (state block, i32) and the slot. */
export const IN_SLOT: FunctionRef = {
  name: 'inSlot',
  params: ['i32', 'i32', 'i32'],
  result: 'i32',
  mayFault: false,
  threaded: true,
};

/** A recorded function: statements over values. */
export interface IrFunction {
  readonly name: string;
  readonly params: readonly Val[];
  readonly result: Type | undefined;
  readonly body: readonly Stmt[];
  /** As in {@link FunctionRef}. */
  readonly threaded: boolean;
  /** What it calls. */
  readonly callees: ReadonlySet<FunctionRef>;
  /** Values, variables and labels have smaller numbers. */
  readonly idCount: number;
  /** Statements and ends of loops: at most as many. */
  readonly positionCount: number;
}

/** A statement that is a block. */
export type Block = Extract<Stmt, { readonly kind: 'block' }>;

/** A block, the block that it begins with, the one that this begins with, and so on: where a switch leads far, there are hundreds. */
export function blocksFrom(block: Block): readonly Block[] {
  const blocks = [block];
  for (let first = block.body[0]; first?.kind === 'block'; first = first.body[0]) blocks.push(first);
  return blocks;
}

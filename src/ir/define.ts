import { Builder, type BuilderTarget } from './builder.ts';
import type { FunctionRef, IrFunction } from './nodes.ts';
import type { Type } from './types.ts';
import type { Operand, Val } from './val.ts';

/** A helper function said in IR: engines record it for their own target when they first need it. */
export interface IrHelper extends FunctionRef {
  record(target: BuilderTarget): IrFunction;
}

/** What a helper takes beside the state block, and gives. */
export interface HelperShape {
  readonly params?: readonly Type[];
  readonly result?: Type;
  readonly mayFault?: boolean;
  readonly threaded?: boolean;
}

/** Defines a helper. `body` records it and returns its result, if it has one. Names are unique in the program. */
export function defineHelper(
  name: string,
  shape: HelperShape,
  // biome-ignore lint/suspicious/noConfusingVoidType: a body without a result is written without a return
  body: (b: Builder, ...params: Val[]) => Operand | void,
): IrHelper {
  const params: Type[] = ['i32', ...(shape.params ?? [])];
  return {
    name,
    params,
    result: shape.threaded ? 'i32' : shape.result,
    mayFault: shape.mayFault ?? false,
    threaded: shape.threaded ?? false,
    record(target) {
      const b = new Builder(target, params, shape.result);
      const value = body(b, ...b.params.slice(1));
      if (shape.result !== undefined) b.return(value ?? 0);
      return b.finish(name, shape.threaded);
    },
  };
}

/** Declares a function that the host gives: imported by engines, called back by the evaluator. */
export function declareHostFunction(name: string, shape: HelperShape): FunctionRef {
  return {
    name,
    params: ['i32', ...(shape.params ?? [])],
    result: shape.result,
    mayFault: shape.mayFault ?? false,
    threaded: false,
  };
}

/** Whether a function is recorded (and not the host's). */
export function isHelper(ref: FunctionRef): ref is IrHelper {
  return 'record' in ref;
}

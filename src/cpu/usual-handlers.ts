import { tryDecode } from '../isa/decode.ts';
import { recordTogether } from './handler-loop.ts';
import type { CodeMode, HandlerFactory } from './handlers.ts';
import { USUAL_INSTRUCTIONS } from './usual-instructions.ts';

/** A guest that has needed so many handlers for code of one size is a system, which will need most of the usual ones. */
const HANDLERS_OF_A_SYSTEM = 64;

/**
 * Makes the handlers that most systems need together, before they are asked for: loops of several hundred, where each that comes
 * up for the first time would be a module of its own.
 */
export class UsualHandlers {
  readonly #handlers: HandlerFactory;
  /** Sizes of code whose usual handlers are there. */
  readonly #done = new Set<number>();

  constructor(handlers: HandlerFactory) {
    this.#handlers = handlers;
  }

  /** Compiles what has been asked for since the last time, and what is usual in a mode when it is time for that. */
  flush(mode: CodeMode): void {
    if (this.#isTime(mode)) this.#makeAll(mode);
    this.#handlers.flush();
  }

  #isTime({ bits, flatCode, flatData }: CodeMode): boolean {
    const { made } = this.#handlers;
    if (this.#done.has(bits) || made.length < HANDLERS_OF_A_SYSTEM || !flatCode || !flatData) return false;
    return made.filter(({ source }) => source.shape.bits === bits).length >= HANDLERS_OF_A_SYSTEM;
  }

  #makeAll(mode: CodeMode): void {
    const { bits } = mode;
    this.#done.add(bits);
    if (bits === 16) return;
    for (const text of USUAL_INSTRUCTIONS[bits].trim().split(/\s+/)) {
      const result = tryDecode((at) => Number.parseInt(text.slice(2 * at, 2 * at + 2), 16), mode);
      if (result.kind === 'instruction') this.#handlers.handlerFor(result.decoded, mode);
    }
    this.#handlers.compileAnew(recordTogether(this.#handlers.made.filter(({ source }) => source.shape.bits === bits)));
  }
}

import { declareHostFunction } from '../../ir/define.ts';
import { call, load } from '../../ir/kinds.ts';
import { IN_SLOT, type Label, type Variable } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import { getField as get, putField as put } from '../../isa/fields.ts';
import { GPR, STATE } from '../../isa/registers.ts';
import { dispatch, enterRegion, lookUp } from '../dispatch.ts';
import { BLOCK, JUMP_CACHE } from '../records.ts';
import type { JitBuilder } from './jit-builder.ts';
import type { RegionProbe } from './probe.ts';
import type { Promoted } from './promoted-state.ts';
import type { Region } from './region.ts';
import { NO_SLOTS, union } from './slot-flow.ts';

/** Bits of {@link RegionExits.behind} that hold a label. */
const LABEL_BITS = 7;

/** Bytes of the host's stack that a region takes at most: for itself, and for each of its instructions. A large one takes 512 in all. */
const FRAME_BYTES = 256;
const INSTRUCTION_BYTES = 16;

/** How far below where a call has left it the guest's stack pointer is while that call has not returned. */
const STACK_SPAN = 1 << 20;

const RSP = 4;

/** Tells the host that the region of the block with one header has been left often, now to the block with another. */
const met = declareHostFunction('met', { params: ['i32', 'i32'] });

/** By what number a region's function is told of a block that it is entered at. */
export function labelOf(place: number): number {
  return place + 1;
}

/** Records how control goes on from a region to the block at `STATE.rip`, when all but what {@link stored} names is in the state block. */
export class RegionExits {
  readonly #region: Region;
  readonly #slot: number;
  readonly #b: JitBuilder;
  readonly #probe: RegionProbe | undefined;
  /** Where the region goes on when it begins anew: {@link labelOf} a block. */
  readonly #target: Variable;
  /** Where control comes back to from a call: its offset in the page, and its label. */
  readonly #behind: Variable;
  /** What is loaded where the region begins. */
  loaded = NO_SLOTS;
  /** What is stored here and not at the exits: a part of {@link loaded}, for where any block begins the budget may end. */
  stored = NO_SLOTS;

  /** @param slot the region's place in the function table */
  constructor(region: Region, slot: number, b: JitBuilder, target: Variable, probe: RegionProbe | undefined) {
    this.#region = region;
    this.#slot = slot;
    this.#b = b;
    this.#target = target;
    this.#probe = probe;
    this.#behind = b.lastingVariable('i32', 'behind');
  }

  /** Says where a call that is about to leave comes back to. @param place of the block @param offset of the block in the page */
  comeBackTo(place: number, offset: number): void {
    this.#b.set(this.#behind, (offset << LABEL_BITS) | labelOf(place));
  }

  /** Goes on there for good. @param inside where this region goes on at a block of its own */
  jump(inside: Label | undefined): void {
    const b = this.#b;
    b.startBlock();
    this.#ifKnown(inside, (entry) => {
      this.#enter(entry, (slot, record) => b.tailCallSlot(slot, record));
    });
    this.#tell();
    b.continueIn(dispatch);
  }

  /**
   * Calls what is there, as a function of the host's, and goes on behind the call when that has returned. Where control comes
   * back to another place, the guest has either not returned from this call, and is called on, or has left it for good.
   * @param again where this region begins anew  @param jump where {@link jump} is recorded, for calls that the host's stack has no room for
   */
  call(inside: Label | undefined, again: Label, jump: Label): void {
    const b = this.#b;
    b.startBlock();
    if (inside !== undefined) this.#ifKnown(inside);
    const cost = FRAME_BYTES + this.#region.instructionCount * INSTRUCTION_BYTES;
    const room = get(b, STATE.stackRoom);
    b.ifRarely(room.ltU(cost), () => b.break(jump));
    const behind = b.get(this.#behind);
    const base = get(b, STATE.ripBase);
    const expected = base.add(behind.shrU(LABEL_BITS).extU());
    const rip = this.#region.mode.bits === 64 ? expected : expected.zeroExtend(32);
    const stack = b.get(this.#stackPointer.variable);
    const key = get(b, STATE.codeKey);
    put(b, STATE.stackRoom, room.sub(cost));
    const returned = b.variable('i32', this.#call(), 'returned');
    b.loopOfRegion((on) => {
      b.ifRarely(b.get(returned).eqz(), () => this.#return(0));
      b.readIn(this.#rip);
      b.if(get(b, STATE.rip).eq(rip).and(this.#isValid(key)), () => {
        put(b, STATE.stackRoom, room);
        b.storeToState(STATE.ripBase, base);
        b.readAll(union(this.loaded, this.#budget.bit));
        this.#probe?.entered(b);
        b.set(this.#target, behind.and((1 << LABEL_BITS) - 1));
        b.continue(again);
      });
      b.readIn(this.#stackPointer);
      b.if(stack.sub(b.get(this.#stackPointer.variable)).leU(STACK_SPAN), () => {
        b.set(returned, b.pin('i32', call(dispatch), [b.cpu]));
        b.continue(on);
      });
      put(b, STATE.stackRoom, room);
      this.#return(1);
    });
  }

  /** Whether what the region relies upon still holds behind a call, i32. @param key under which its code was found */
  #isValid(key: Val): Val {
    const b = this.#b;
    const now = (offset: number) => b.pin('i32', load(4, false, offset), [b.cpu]);
    return [...b.assumedZero].reduce(
      (valid, offset) => valid.and(now(offset).eqz()),
      now(STATE.codeKey.offset).eq(key),
    );
  }

  /** Returns there: inside, or to the region that has called, which looks where that is. */
  return(inside: Label | undefined): void {
    this.#b.startBlock();
    if (inside !== undefined) this.#ifKnown(inside);
    this.#tell();
    this.#return(1);
  }

  /** Calls the code there. @returns 0 where the slice is over, i32 */
  #call(): Val {
    const b = this.#b;
    const returned = b.variable('i32', 0, 'returned');
    b.label((behind) => {
      this.#ifKnown(undefined, (entry) => {
        this.#enter(entry, (slot, record) => {
          b.set(returned, b.pin('i32', call(IN_SLOT), [b.cpu, record, slot]));
          b.break(behind);
        });
      });
      this.#tell();
      b.set(returned, b.pin('i32', call(dispatch), [b.cpu]));
    });
    return b.get(returned);
  }

  /** Where the jump cache knows the block: goes on in this region if it is entered there, else as `elsewhere` says. */
  #ifKnown(inside: Label | undefined, elsewhere?: (entry: Val) => void): void {
    const b = this.#b;
    const { entry, sameRip, sameKey } = lookUp(b, get(b, STATE.rip));
    b.if(sameRip, () => {
      b.if(sameKey, () => {
        const base = b.load('i64', 8, entry, JUMP_CACHE.ripBase);
        b.storeToState(STATE.ripBase, base);
        if (inside !== undefined) {
          b.if(b.load('i32', 4, entry, JUMP_CACHE.entry).eq(this.#slot), () => {
            put(b, STATE.ripBase, base);
            b.set(this.#target, b.load('i32', 2, entry, JUMP_CACHE.label));
            b.continue(inside);
          });
        }
        elsewhere?.(entry);
      });
    });
  }

  /** Goes on in another region where the jump cache's entry has one. Probes are told before its block is paid: dispatch pays later. */
  #enter(entry: Val, goOn: (slot: Val, record: Val) => void): void {
    this.#countMeeting(this.#b.load('i32', 4, entry, JUMP_CACHE.block));
    if (this.#probe !== undefined) return;
    enterRegion(this.#b, entry, (slot, record) => {
      this.#storeRest();
      goOn(slot, record);
    });
  }

  /** Tells, every so many times, to which block the region has been left. */
  #countMeeting(block: Val): void {
    const b = this.#b;
    const header = b.i32(this.#region.blocks[0].block.address);
    const left = b.load('i32', 4, header, BLOCK.exits).sub(1);
    b.store(4, header, BLOCK.exits, left);
    b.ifRarely(left.eqz(), () => void b.pin('i32', call(met), [b.cpu, header, block]));
  }

  /** Makes the state block exact, and has the probe told that the region is left. */
  #tell(): void {
    const b = this.#b;
    this.#probe?.leaving(b, 'jump', 0);
    this.#storeRest();
    b.writeBack(this.#rip);
    this.#probe?.told?.(b, b.i32(0));
  }

  #storeRest(): void {
    this.#b.writeAll(union(this.stored, this.#budget.bit));
  }

  /** Ends the region's function. @param value 1: the guest has returned to `STATE.rip`; 0: the slice is over */
  #return(value: 0 | 1): void {
    this.#b.add({ kind: 'return', value: this.#b.i32(value) });
  }

  get #budget(): Promoted {
    return this.#b.slotAt(STATE.budget.offset);
  }
  get #rip(): Promoted {
    return this.#b.slotAt(STATE.rip.offset);
  }
  get #stackPointer(): Promoted {
    return this.#b.slotAt(GPR + RSP * 8);
  }
}

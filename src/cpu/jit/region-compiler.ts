import { declareHostFunction } from '../../ir/define.ts';
import { call, load } from '../../ir/kinds.ts';
import type { IrFunction, Label, Stmt, Variable } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import { getField as get, putField as put } from '../../isa/fields.ts';
import { STATE } from '../../isa/registers.ts';
import { SEMANTICS } from '../../isa/semantics/index.ts';
import { continueAt, dispatch } from '../dispatch.ts';
import { shapeOf } from '../handlers.ts';
import { BLOCK, RECORD_BYTES } from '../records.ts';
import { holds, type Part, structure } from './control-flow.ts';
import { type OpenExit, withStores } from './exit-stores.ts';
import type { HelperEffects } from './helper-effects.ts';
import { JitBuilder, type Known } from './jit-builder.ts';
import { JitFlags } from './jit-flags.ts';
import { JitLift, type Ways } from './jit-lift.ts';
import type { ExitReason, RegionProbe } from './probe.ts';
import type { Promoted } from './promoted-state.ts';
import {
  callsInside,
  callsOrJumpsInside,
  callsOut,
  goesOn,
  graphOf,
  offsetBehind,
  type Region,
  type RegionBlock,
} from './region.ts';
import { labelOf, RegionExits } from './region-exits.ts';
import { difference, type Exit, NO_SLOTS, type SlotSet, union } from './slot-flow.ts';

const NOWHERE = -1;

/** Tells the host that the instruction with a record is left to the interpreter because what was looked up for it lies in two pages. */
const straddled = declareHostFunction('straddled', { params: ['i32'] });

/** Parts that are being recorded one behind the other. */
interface Sequence {
  readonly kind: 'sequence';
  readonly parts: readonly Part[];
  readonly labels: readonly Label[];
  at: number;
}

/** How control leaves a region to `STATE.rip`. */
type Going = 'jump' | 'call' | 'return';
const GOINGS: readonly Going[] = ['jump', 'call', 'return'];

/** What encloses the code that is being recorded. */
type Frame = Sequence | { readonly kind: 'loop'; readonly header: number; readonly label: Label };

/**
 * Records a region as one function of the vCPU's state block and the first record of the block that is entered.
 * @param slot the function's place in the function table
 */
export function compileRegion(
  region: Region,
  slot: number,
  memory64: boolean,
  effects: HelperEffects,
  probe?: RegionProbe,
): IrFunction {
  return new RegionCompiler(region, slot, memory64, effects, probe).compile();
}

class RegionCompiler {
  readonly #region: Region;
  readonly #b: JitBuilder;
  readonly #flags: JitFlags;
  readonly #probe: RegionProbe | undefined;
  /** Where to go inside: {@link labelOf} a block, or 0 where the way leads there anyhow. */
  readonly #target: Variable;
  /** The record with which the interpreter goes on. */
  readonly #record: Variable;
  readonly #frames: Frame[] = [];
  /** Nodes that {@link #target} may name. */
  readonly #named = new Set<number>();
  /** What is known where a block is gone to, by block. */
  readonly #arrivals = new Map<number, Known[]>();
  /** How many ways lead to blocks. */
  readonly #wayCounts = new Map<number, number>();
  /**
   * Control is likely to come back from where the region looks around: then all entries' variables are loaded where the
   * region begins, and what has changed is stored where it is left for good. Else each entry has its loads, each exit its stores.
   */
  readonly #comesBack: boolean;
  /** Calls that are made inside may return inside. */
  readonly #callsInside: boolean;
  readonly #around: RegionExits;
  /** Stand for the labels that exits get when it is known what they store. */
  readonly #endLabel: Label = { id: -1 };
  readonly #goLabel: Label = { id: -2 };
  /** Where loads go once it is known what is loaded, by entry. */
  readonly #entryLoads: { readonly node: number; readonly statements: Stmt[] }[] = [];
  /** Exits to `STATE.rip`, by how control goes on there. */
  readonly #exits: Readonly<Record<Going, OpenExit[]>> = { jump: [], call: [], return: [] };
  /** Exits to the interpreter and to the run loop. */
  readonly #ends: OpenExit[] = [];
  readonly #ways = this.#waysOut();
  /** The block that is being recorded. */
  #node = NOWHERE;
  /** The record of the instruction that is being recorded. */
  #recordAddress = 0;
  /** Instructions of its block from it on. */
  #unexecuted = 0;

  constructor(region: Region, slot: number, memory64: boolean, effects: HelperEffects, probe: RegionProbe | undefined) {
    this.#region = region;
    this.#probe = probe;
    this.#b = new JitBuilder(
      {
        bail: (reason) => this.#bail(reason),
        isBail: (label) => label === this.#endLabel,
        effectsOf: (callee) => effects.of(callee),
      },
      { registers: region.mode.bits === 64 ? 'i64' : 'i32', memory64 },
      region.blocks.length,
    );
    this.#flags = new JitFlags(this.#b);
    this.#comesBack = region.roots.length > 1 || region.blocks.some(callsOrJumpsInside);
    this.#callsInside = region.roots.length > 1 || region.blocks.some(callsInside);
    this.#target = this.#b.lastingVariable('i32', 'target');
    this.#record = this.#b.lastingVariable('i32', 'record');
    this.#around = new RegionExits(region, slot, this.#b, this.#target, probe);
  }

  compile(): IrFunction {
    const b = this.#b;
    const { successors, entries } = graphOf(this.#region);
    for (const to of successors.flat()) this.#wayCounts.set(to, (this.#wayCounts.get(to) ?? 0) + 1);
    const parts = structure({ successors, entries });
    const record = () => b.apart(() => this.#sequence(parts, entries, true));
    const isLoop = this.#comesBack || this.#region.blocks.some(callsOut);
    const body = b.apart(() => (isLoop ? b.loopOfRegion((again) => this.#all(record, again)) : this.#all(record)));
    const prologue = b.apart(() => this.#prologue());
    for (const statement of [...prologue, ...body]) b.add(statement);
    const { block } = this.#region.blocks[0];
    return b.finish(`region_${block.start.toString(16)}`, true);
  }

  /** Records all between prologue and end. @param again where the region begins anew, if control comes back to it */
  #all(record: () => readonly Stmt[], again?: Label): void {
    const b = this.#b;
    const [inside, returnsInside] = [this.#comesBack, this.#callsInside].map((comes) => (comes ? again : undefined));
    b.label((jump) => {
      b.label((back) => {
        b.label((call) => {
          for (const statement of this.#withEnds(record(), { jump, call, return: back })) b.add(statement);
        });
        if (this.#exits.call.length > 0 && again !== undefined) this.#around.call(returnsInside, again, jump);
      });
      if (this.#exits.return.length > 0) this.#around.return(returnsInside);
    });
    this.#around.jump(inside);
  }

  /** Completes what could not be said before all blocks were recorded: what is loaded at entries, and stored at exits. */
  #withEnds(blocks: readonly Stmt[], labels: Readonly<Record<Going, Label>>): readonly Stmt[] {
    const b = this.#b;
    const { flow } = b;
    flow.start(undefined);
    const exits = Object.values(this.#exits).flat();
    if (this.#comesBack) flow.join(exits, this.#region.entries);
    const dirty = flow.dirtyAtStart();
    const needed = flow.neededAtStart(dirty);
    const dirtyAt = ({ node, maybe }: Exit) => difference(union(dirty[node], maybe), this.#budget.bit);
    // The code at RIP knows it: dispatch alone has to find it in the state block.
    const dirtyAround = (exit: Exit) => difference(dirtyAt(exit), b.slotAt(STATE.rip.offset).bit);
    if (this.#comesBack) {
      this.#around.loaded = this.#region.entries.reduce((all, node) => union(all, needed[node]), NO_SLOTS);
      this.#around.stored = exits.reduce((all, exit) => union(all, dirtyAround(exit)), NO_SLOTS);
    }
    for (const { node, statements } of this.#entryLoads) {
      const missing = difference(needed[node], union(this.#around.loaded, this.#budget.bit));
      statements.push(...b.apart(() => b.readAll(missing)));
    }
    const make = { newLabel: () => b.newLabel(), storesOf: (slots: SlotSet) => b.apart(() => b.writeAll(slots)) };
    const end = b.newLabel();
    const rest = (exit: Exit) => difference(dirtyAround(exit), this.#around.stored);
    const leaving = GOINGS.reduce((all, way) => withStores(all, this.#exits[way], rest, labels[way], make), blocks);
    const ending = withStores(leaving, this.#ends, dirtyAt, end, make);
    return [{ kind: 'block', label: end, body: ending }, ...b.apart(() => this.#end())];
  }

  /** Where the interpreter or the run loop goes on: all but the budget is stored. */
  #end(): void {
    const b = this.#b;
    this.#restoreBudget();
    b.writeBack(this.#budget);
    const record = b.get(this.#record);
    this.#probe?.told?.(b, record);
    b.if(record.eqz(), () => b.continueIn(dispatch));
    this.#tellStraddle(record);
    continueAt(b, record);
  }

  get #budget(): Promoted {
    return this.#b.slotAt(STATE.budget.offset);
  }
  /** Tells, where that is why the instruction is left to the interpreter, that what it reaches lies in two pages. */
  #tellStraddle(record: Val): void {
    const b = this.#b;
    b.ifRarely(get(b, STATE.straddled), () => {
      put(b, STATE.straddled, b.i32(0));
      b.pin('i32', call(straddled), [b.cpu, record]);
    });
  }

  /** Checks what the region assumes, loads what it uses, and takes back what was paid for the block that is entered. */
  #prologue(): void {
    const b = this.#b;
    const record = b.params[1];
    for (const offset of b.assumedZero) {
      const value = b.pin('i32', load(4, false, offset), [b.cpu]);
      b.ifRarely(value, () => continueAt(b, record));
    }
    b.readAll(union(this.#around.loaded, this.#budget.bit));
    const header = record.sub(RECORD_BYTES);
    put(b, STATE.budget, get(b, STATE.budget).add(b.load('i32', 4, header, BLOCK.count)));
    if (this.#region.entries.length > 1) b.set(this.#target, b.load('i32', 2, header, BLOCK.label));
    this.#probe?.entered(b);
  }

  /** `refill` has inverted the budget where the interpreter is to make an access. */
  #restoreBudget(): void {
    const b = this.#b;
    const budget = get(b, STATE.budget);
    put(b, STATE.budget, budget.not().selectIf(budget.ltS(0), budget));
  }

  /** Parts one after the other, each behind the end of the block that leads to it. */
  #sequence(parts: readonly Part[], entries: readonly number[], outermost = false): void {
    const b = this.#b;
    const labels: Label[] = [];
    const frame: Sequence = { kind: 'sequence', parts, labels, at: -1 };
    for (const node of entries) this.#named.add(node);
    const open = (n: number) => {
      b.label((label) => {
        labels[n] = label;
        if (n > 0) open(n - 1);
        else if (outermost) this.#enter(entries, frame);
        else this.#chooseEntry(entries, frame);
      });
      frame.at = n;
      this.#part(parts[n]);
    };
    this.#frames.push(frame);
    open(parts.length - 1);
    this.#frames.pop();
  }

  /** Goes to the entry that the target variable names, through what loads what is needed from there on. */
  #enter(entries: readonly number[], frame: Sequence): void {
    const b = this.#b;
    const labels: Label[] = [];
    const open = (n: number) => {
      b.label((label) => {
        labels[n] = label;
        if (n > 0) open(n - 1);
        else if (entries.length > 1) this.#switchTo(entries, (_, at) => labels[at], labels[0]);
      });
      const statements: Stmt[] = [];
      this.#entryLoads.push({ node: entries[n], statements });
      b.add({ kind: 'block', label: b.newLabel(), body: statements });
      b.break(frame.labels[this.#partAt(frame, entries[n])]);
    };
    open(entries.length - 1);
  }

  /** Breaks to the label for the one of `nodes` that the target variable names, or else to another. */
  #switchTo(nodes: readonly number[], labelFor: (node: number, at: number) => Label, otherwise: Label): void {
    const targets = Array.from({ length: Math.max(...nodes) + 2 }, () => otherwise);
    for (const [at, node] of nodes.entries()) targets[labelOf(node)] = labelFor(node, at);
    this.#b.switch(this.#b.get(this.#target), [...targets, otherwise]);
  }

  /** Goes to the entry that the target variable names, if it names one. */
  #chooseEntry(entries: readonly number[], frame: Sequence): void {
    const b = this.#b;
    if (entries.length === 0) return;
    // All ways that lead here have stored their flags.
    b.startBlock();
    const labelFor = (node: number) => frame.labels[this.#partAt(frame, node)];
    if (entries.length === 1) {
      b.if(b.get(this.#target).eq(labelOf(entries[0])), () => b.break(labelFor(entries[0])));
      return;
    }
    this.#switchTo(entries, labelFor, frame.labels[0]);
  }

  #partAt(frame: Frame, node: number): number {
    return frame.kind === 'sequence' ? frame.parts.findIndex((part) => holds(part, node)) : -1;
  }

  #part(part: Part): void {
    if (part.kind === 'node') {
      this.#block(part.node);
      return;
    }
    this.#b.loopOfRegion((label) => {
      this.#frames.push({ kind: 'loop', header: part.header, label });
      this.#sequence(part.body, part.sideEntries);
      this.#frames.pop();
    });
  }

  #block(node: number): void {
    const b = this.#b;
    const block = this.#region.blocks[node];
    b.flow.start(node);
    b.startBlock(this.#waysTo(node), !block.block.scattered);
    // From here on it names nothing; loops around other entries would take it for one of theirs.
    if (this.#named.has(node)) b.set(this.#target, 0);
    this.#pay(block);
    for (let i = 0; i < block.instructions.length; i++) this.#instruction(node, i);
    if (goesOn(block)) this.#goTo(block.next, node, offsetBehind(block));
  }

  /** What is known on the ways to a block; nothing where there are others: back edges of loops, entries of the region. */
  #waysTo(node: number): readonly Known[] {
    const arrivals = this.#arrivals.get(node) ?? [];
    const areAll = arrivals.length === this.#wayCounts.get(node) && !this.#region.entries.includes(node);
    return areAll ? arrivals : [];
  }

  /** Takes the block's instructions off the budget, or leaves before it. */
  #pay({ instructions, start }: RegionBlock): void {
    const b = this.#b;
    const left = get(b, STATE.budget).sub(instructions.length);
    b.ifRarely(left.ltS(0), () => {
      this.#setRip(start);
      this.#leave('budget');
    });
    put(b, STATE.budget, left);
  }

  #instruction(node: number, i: number): void {
    const block = this.#region.blocks[node];
    const { decoded, nextOffset } = block.instructions[i];
    this.#node = node;
    this.#recordAddress = block.block.address + (i + 1) * RECORD_BYTES;
    this.#unexecuted = block.instructions.length - i;
    const semantics = decoded && SEMANTICS[decoded.row.semantics];
    if (decoded === undefined || semantics === undefined) {
      this.#bail('untranslated');
      return;
    }
    this.#b.pages.startInstruction();
    const shape = shapeOf(decoded, this.#region.mode);
    semantics(new JitLift(this.#b, this.#flags, shape, decoded, nextOffset, this.#ways));
  }

  /** How control leaves the instruction that is being recorded. */
  #waysOut(): Ways {
    return {
      bail: (reason) => this.#bail(reason),
      leave: () => this.#go(),
      taken: (lift) => {
        const { taken } = this.#region.blocks[this.#node];
        if (taken !== NOWHERE) this.#goTo(taken, this.#node, 0);
        else {
          lift.set(STATE.rip, lift.relativeTarget(0));
          this.#go();
        }
      },
      restart: () => {
        const b = this.#b;
        put(b, STATE.budget, get(b, STATE.budget).add(this.#unexecuted - 1));
        this.#leave('restart');
      },
      unexecuted: () => this.#unexecuted,
      mark: () => put(this.#b, STATE.record, this.#b.i32(this.#recordAddress)),
    };
  }

  /** Goes on with another block, or leaves to where it would be. @param offset of that block in the page */
  #goTo(to: number, from: number, offset: number): void {
    const b = this.#b;
    if (to === NOWHERE) {
      this.#setRip(offset);
      this.#exit(this.#exits.jump, this.#goLabel);
      return;
    }
    const arrivals = this.#arrivals.get(to) ?? [];
    this.#arrivals.set(to, [...arrivals, b.known]);
    const isOnlyWay = this.#wayCounts.get(to) === 1 && !this.#region.entries.includes(to);
    if (!isOnlyWay) b.storeFlags();
    for (let n = this.#frames.length - 1; n >= 0; n--) {
      const frame = this.#frames[n];
      if (frame.kind === 'loop') {
        if (frame.header !== to) continue;
        b.flow.goTo(to);
        b.add({ kind: 'continue', label: frame.label });
        return;
      }
      const at = this.#partAt(frame, to);
      if (at < 0 || at <= frame.at) continue;
      if (!entersStraight(frame, at, to)) b.set(this.#target, labelOf(to));
      b.flow.goTo(to);
      b.add({ kind: 'break', label: frame.labels[at] });
      return;
    }
    throw new Error(`no way from block ${from} to block ${to} of a region`);
  }

  #setRip(offset: number): void {
    const b = this.#b;
    const rip = get(b, STATE.ripBase).add(BigInt(offset));
    put(b, STATE.rip, this.#region.mode.bits === 64 ? rip : rip.zeroExtend(32));
  }

  /** Leaves to `STATE.rip`, by the instruction that is being recorded. */
  #go(): void {
    const block = this.#region.blocks[this.#node];
    const { decoded, nextOffset } = block.instructions[block.instructions.length - this.#unexecuted];
    if (decoded?.row.semantics === 'call' && block.behind !== NOWHERE) {
      this.#around.comeBackTo(block.behind, nextOffset);
      this.#exit(this.#exits.call, this.#goLabel);
    } else {
      this.#exit(this.#exits[decoded?.row.semantics === 'ret' ? 'return' : 'jump'], this.#goLabel);
    }
  }

  #leave(reason: ExitReason): void {
    this.#probe?.leaving(this.#b, reason, 0);
    this.#exit(this.#ends, this.#endLabel);
  }

  /** Lets the interpreter execute the instruction that is being recorded. */
  #bail(reason: ExitReason): void {
    const b = this.#b;
    if (this.#probe !== undefined) this.#restoreBudget();
    this.#probe?.leaving(b, reason, this.#unexecuted);
    b.set(this.#record, this.#recordAddress);
    this.#exit(this.#ends, this.#endLabel);
  }

  #exit(exits: OpenExit[], label: Label): void {
    const b = this.#b;
    b.storeFlags();
    const statement = { kind: 'break' as const, label };
    exits.push({ ...b.flow.leave(), statement });
    b.add(statement);
  }
}

/** Whether a part begins with the node, so that no target has to be named. */
function entersStraight(frame: Frame, at: number, node: number): boolean {
  if (frame.kind !== 'sequence') return true;
  const part = frame.parts[at];
  return part.kind === 'node' || part.header === node;
}

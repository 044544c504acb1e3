import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STATE } from '../isa/registers.ts';
import { CodeTranslations } from './code-translations.ts';
import { layOutMemory } from './memory-layout.ts';
import { CpuState } from './state.ts';
import { CODE_TLB, CODE_TLB_OFFSET, CONTEXT, TLB_BYTES, TRANSLATION } from './tlb.ts';

const PAGE = 4096n;
const GLOBAL = 5n * PAGE;
const LOCAL = 6n * PAGE;
/** Shares its place in the TLB with the global page. */
const RIVAL = GLOBAL + BigInt(CODE_TLB.entries) * PAGE;

/** Translations of three pages by tables that map each to itself, and the pages that were walked for. */
function bench() {
  const layout = layOutMemory([{ gpa: 0, length: 1 << 16, hostOffset: 0 }], 1 << 16);
  const buffer = new ArrayBuffer(layout.wasmPages << 16);
  const state = new CpuState(buffer, layout.cpus[0].state);
  const view = new DataView(buffer);
  state.setU32(STATE.tlbArea, layout.cpus[0].tlbs);
  state.setU32(STATE.tlb, layout.cpus[0].tlbs + CONTEXT.supervisor * TLB_BYTES);
  const walked: bigint[] = [];
  const code = new CodeTranslations(state, view, (linear) => {
    walked.push(linear);
    return linear | BigInt(linear === GLOBAL ? TRANSLATION.global : 0);
  });
  /** Whether guest code finds a page. */
  const isKnown = (linear: bigint) => {
    const entry =
      state.u32(STATE.tlb) + CODE_TLB_OFFSET + Number((linear / PAGE) % BigInt(CODE_TLB.entries)) * CODE_TLB.bytes;
    return view.getBigUint64(entry + CODE_TLB.tag, true) === linear;
  };
  return { code, walked, isKnown };
}

test('a flush of all but global pages leaves these within reach of guest code', () => {
  const { code, isKnown } = bench();
  for (const page of [GLOBAL, LOCAL]) code.translate(page);
  code.flush(true);
  assert.deepEqual([isKnown(GLOBAL), isKnown(LOCAL)], [true, false]);
  code.flush(false);
  assert.equal(isKnown(GLOBAL), false);
});

test('a page that took the place of a global one goes with the others', () => {
  const { code, isKnown, walked } = bench();
  for (const page of [GLOBAL, RIVAL]) code.translate(page);
  code.flush(true);
  assert.equal(isKnown(RIVAL), false);
  code.translate(GLOBAL);
  assert.ok(isKnown(GLOBAL));
  assert.deepEqual(walked, [GLOBAL, RIVAL]);
});

test('a page that is invalidated is walked for anew', () => {
  const { code, isKnown, walked } = bench();
  code.translate(GLOBAL);
  code.invalidatePage(GLOBAL);
  assert.equal(isKnown(GLOBAL), false);
  code.translate(GLOBAL);
  assert.deepEqual(walked, [GLOBAL, GLOBAL]);
});

test('a flush and an invalidation tell whose code was found by what they forget', () => {
  const { code } = bench();
  const [all, none] = [
    { system: true, user: true },
    { system: false, user: false },
  ];
  assert.deepEqual(code.flush(false), all);
  code.translate(GLOBAL);
  assert.deepEqual(code.flush(true), none);
  code.translate(LOCAL);
  assert.deepEqual(code.flush(true), { system: true, user: false });
  assert.deepEqual(code.flush(true), none);
  assert.deepEqual(code.invalidatePage(LOCAL), none);
  assert.deepEqual(code.invalidatePage(GLOBAL), { system: true, user: false });
  code.restore({ global: [], local: [], large: [] });
  assert.deepEqual(code.invalidatePage(LOCAL), all, 'what was found before is not known');
});

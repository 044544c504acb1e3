import { SplitMix64 } from '../base/random.ts';
import type { TranslationsRecord } from '../cpu/engine.ts';
import { PAGE_BYTES } from '../machine/guest-memory.ts';
import type { DeviceState } from '../machine/interfaces.ts';

/** Make what identifies the machine something else than the first random numbers of the guest. */
const GENERATION_SEED = 0x56_4d47_454e_4944n;
const UUID_SEED = 0x5359_5354_4555_5549n;

/** The generation ID of a machine with a seed. */
export function generationId(seed: bigint): Uint8Array {
  return randomBytes(seed ^ GENERATION_SEED);
}

/** The UUID of a machine with a seed: 16 bytes in the order of its text, of version 4 (RFC 9562 section 5.4). */
export function systemUuid(seed: bigint): Uint8Array {
  const uuid = randomBytes(seed ^ UUID_SEED);
  uuid[6] = 0x40 | (uuid[6] & 0x0f);
  uuid[8] = 0x80 | (uuid[8] & 0x3f);
  return uuid;
}

function randomBytes(seed: bigint): Uint8Array {
  const random = new SplitMix64(seed);
  return new Uint8Array(BigUint64Array.of(random.next(), random.next()).buffer);
}

/** The processors' record; the oldest states have one processor. */
export function processorsOf(state: DeviceState): DeviceState {
  if (state.processors !== undefined) return state.processors as DeviceState;
  return { version: 1, vcpus: [state.vcpu], current: 0, turnLeft: 0, monitored: [-1] };
}

/** Addresses of the pages that a state's TLBs lead to. */
export function pagesTranslatedIn(state: DeviceState): number[] {
  return addressesOf(translationsOf(state).flatMap(({ data }) => (data.pages ?? []).map(([, , page]) => page)));
}

/** As {@link pagesTranslatedIn}, and those that its processors have found code in. */
export function pagesKnownIn(state: DeviceState): number[] {
  const code = translationsOf(state).flatMap(({ code: { global, local } }) => [...global, ...local]);
  return addressesOf([...pagesTranslatedIn(state).map((gpa) => gpa / PAGE_BYTES), ...code.map(([, page]) => page)]);
}

function translationsOf(state: DeviceState): TranslationsRecord[] {
  const vcpus = processorsOf(state).vcpus as readonly { readonly translations: TranslationsRecord }[];
  return vcpus.map(({ translations }) => translations);
}

/** Addresses of pages, each once and in order, since neighbours are saved together. */
function addressesOf(pages: readonly number[]): number[] {
  return [...new Set(pages)].sort((a, b) => a - b).map((page) => page * PAGE_BYTES);
}

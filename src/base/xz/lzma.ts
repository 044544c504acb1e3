import { RangeDecoder } from './range-decoder.ts';
import { XzInvalid } from './xz-invalid.ts';

// LZMA specification: "State machine", "Match length", "Match distance", "Literal decoding".

const STATES = 12;
/** The states below it come behind a literal, the others behind a match. */
const FIRST_MATCH_STATE = 7;
const MOST_POSITIONS = 16;
const LENGTH_MODELS = 2 + 2 * 8 * MOST_POSITIONS + 256;
const SLOT_MODELS = 64;
const LITERAL_MODELS = 0x300;
/** LZMA2 allows so many bits of context for a literal. */
const MOST_CONTEXT_BITS = 4;
const SHORTEST_MATCH = 2;
/** From this slot of distances on, the middle bits have no probabilities. */
const FIRST_DIRECT_SLOT = 14;
const ALIGN_BITS = 4;

/** Where the probabilities of each kind begin. */
const IS_MATCH = 0;
const IS_REPEAT = IS_MATCH + STATES * MOST_POSITIONS;
const IS_OLDER = IS_REPEAT + STATES;
const IS_OLDER_THAN_1 = IS_OLDER + STATES;
const IS_OLDER_THAN_2 = IS_OLDER_THAN_1 + STATES;
const IS_LONG = IS_OLDER_THAN_2 + STATES;
const SLOT = IS_LONG + STATES * MOST_POSITIONS;
const FOOTER = SLOT + 4 * SLOT_MODELS;
const ALIGN = FOOTER + 128;
const MATCH_LENGTH = ALIGN + (1 << ALIGN_BITS);
const REPEAT_LENGTH = MATCH_LENGTH + LENGTH_MODELS;
const LITERAL = REPEAT_LENGTH + LENGTH_MODELS;
const MODELS = LITERAL + (LITERAL_MODELS << MOST_CONTEXT_BITS);

/** From this length on, the call that copies is worth it. */
const LONG_COPY_BYTES = 64;

/** What is decoded in one call: the host's compiler replaces a function that is called again sooner than one that loops on. */
const RUN_BYTES = 1024;

/** Decodes LZMA data as LZMA2 has them: in packed pieces of known length, into a window that keeps all output. */
export class LzmaDecoder {
  readonly #coder: RangeDecoder;
  #window: Uint8Array = new Uint8Array(0);
  #at = 0;
  #dictionaryBytes = 0;
  #contextBits = 0;
  #contextMask = 0;
  #positionMask = 0;
  #state = 0;
  #distance = 0;
  #distance1 = 0;
  #distance2 = 0;
  #distance3 = 0;

  /** @param mostPackedBytes of a piece */
  constructor(mostPackedBytes: number) {
    this.#coder = new RangeDecoder(MODELS, mostPackedBytes);
  }

  /** Goes on at the start of a window; what was decoded before is out of reach. @param dictionaryBytes how far back
   * matches may reach */
  setWindow(window: Uint8Array, dictionaryBytes: number): void {
    this.#window = window;
    this.#dictionaryBytes = dictionaryBytes;
    this.#at = 0;
  }

  /** Sets lc, lp and pb from the byte that has them ("lc/lp/pb"). @throws {XzInvalid} */
  setProperties(byte: number): void {
    const contextBits = byte % 9;
    const positionBits = Math.floor(byte / 9) % 5;
    const alignBits = Math.floor(byte / 45);
    if (alignBits > 4 || contextBits + positionBits > MOST_CONTEXT_BITS)
      throw new XzInvalid(`LZMA properties of ${byte} are not allowed`);
    this.#contextBits = contextBits;
    this.#contextMask = (1 << positionBits) - 1;
    this.#positionMask = (1 << alignBits) - 1;
  }

  /** Forgets what was learned, but not the window. */
  resetState(): void {
    this.#coder.reset();
    this.#state = 0;
    this.#distance = 0;
    this.#distance1 = 0;
    this.#distance2 = 0;
    this.#distance3 = 0;
  }

  /** Puts bytes into the window as they are. */
  append(bytes: Uint8Array): void {
    this.#window.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Decodes a piece that gives exactly so many bytes, for which the window has room. @throws {XzInvalid} */
  decode(packed: Uint8Array, bytes: number): void {
    const coder = this.#coder;
    if (!coder.start(packed)) throw new XzInvalid('a packed chunk does not begin with a zero byte and a code');
    const end = this.#at + bytes;
    while (this.#at < end && !coder.overran) this.#run(Math.min(end, this.#at + RUN_BYTES), end);
    if (!coder.finish()) throw new XzInvalid('a packed chunk is not as long as its data');
  }

  /** Decodes literals and matches until `stop` is reached. */
  #run(stop: number, end: number): void {
    const coder = this.#coder;
    while (this.#at < stop && !coder.overran) {
      const position = this.#at & this.#positionMask;
      if (coder.bit(IS_MATCH + this.#state * MOST_POSITIONS + position) === 0) this.#literal();
      else this.#match(position, end);
    }
  }

  #literal(): void {
    const window = this.#window;
    const at = this.#at;
    const before = at > 0 ? window[at - 1] : 0;
    const context = ((at & this.#contextMask) << this.#contextBits) + (before >> (8 - this.#contextBits));
    const model = LITERAL + LITERAL_MODELS * context;
    const state = this.#state;
    if (state < FIRST_MATCH_STATE) window[at] = this.#coder.tree(model, 8);
    else window[at] = this.#coder.expectedByte(model, window[at - (this.#distance >>> 0) - 1]);
    this.#at = at + 1;
    this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  }

  #match(position: number, end: number): void {
    const coder = this.#coder;
    const state = this.#state;
    const afterLiteral = state < FIRST_MATCH_STATE;
    let length = 1;
    if (coder.bit(IS_REPEAT + state) === 0) {
      length = this.#length(MATCH_LENGTH, position);
      this.#distance3 = this.#distance2;
      this.#distance2 = this.#distance1;
      this.#distance1 = this.#distance;
      this.#distance = this.#newDistance(length);
      this.#state = afterLiteral ? 7 : 10;
    } else if (this.#isShort(state, position)) {
      this.#state = afterLiteral ? 9 : 11;
    } else {
      length = this.#length(REPEAT_LENGTH, position);
      this.#state = afterLiteral ? 8 : 11;
    }
    this.#copy(length, end);
  }

  /** Takes one of the last four distances. @returns whether the match is of the last one, and one byte long */
  #isShort(state: number, position: number): boolean {
    const coder = this.#coder;
    if (coder.bit(IS_OLDER + state) === 0) return coder.bit(IS_LONG + state * MOST_POSITIONS + position) === 0;
    const last = this.#distance;
    if (coder.bit(IS_OLDER_THAN_1 + state) === 0) {
      this.#distance = this.#distance1;
    } else {
      if (coder.bit(IS_OLDER_THAN_2 + state) === 0) {
        this.#distance = this.#distance2;
      } else {
        this.#distance = this.#distance3;
        this.#distance3 = this.#distance2;
      }
      this.#distance2 = this.#distance1;
    }
    this.#distance1 = last;
    return false;
  }

  #length(model: number, position: number): number {
    const coder = this.#coder;
    const trees = model + 2 + 8 * position;
    if (coder.bit(model) === 0) return SHORTEST_MATCH + coder.tree(trees, 3);
    if (coder.bit(model + 1) === 0) return SHORTEST_MATCH + 8 + coder.tree(trees + 8 * MOST_POSITIONS, 3);
    return SHORTEST_MATCH + 16 + coder.tree(model + 2 + 16 * MOST_POSITIONS, 8);
  }

  /** @returns a word of 32 bits, one less than how far back the match begins */
  #newDistance(length: number): number {
    const coder = this.#coder;
    const slot = coder.tree(SLOT + SLOT_MODELS * Math.min(length - SHORTEST_MATCH, 3), 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const distance = (2 | (slot & 1)) << bits;
    if (slot < FIRST_DIRECT_SLOT) return distance + coder.reverseTree(FOOTER + distance - slot, bits);
    const middle = coder.direct(bits - ALIGN_BITS) << ALIGN_BITS;
    return (distance + middle + coder.reverseTree(ALIGN, ALIGN_BITS)) | 0;
  }

  /** Repeats bytes of the window. They may be those that it has just written. */
  #copy(length: number, end: number): void {
    const window = this.#window;
    const start = this.#at;
    const distance = (this.#distance >>> 0) + 1;
    if (distance > start || distance > this.#dictionaryBytes)
      throw new XzInvalid(`a match begins ${distance} bytes back, before the dictionary`);
    if (start + length > end) throw new XzInvalid('a match goes on behind the end of its chunk');
    if (length >= LONG_COPY_BYTES && distance >= length) {
      window.copyWithin(start, start - distance, start - distance + length);
    } else {
      let from = start - distance;
      for (let at = start; at < start + length; at++) window[at] = window[from++];
    }
    this.#at = start + length;
  }
}

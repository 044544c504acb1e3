import type { Frame, Rect } from '../interfaces.ts';

const TILE = 64;
/** A part that moves as a whole must be at least this high to be worth looking for. */
const LEAST_SCROLLED = 48;
/** So many looks in vain are made one after the other; each further one leaves out one more picture, up to so many. */
const LOOKS_IN_VAIN = 2;
const MOST_LEFT_OUT = 8;
const HASH_START = 0x811c9dc5;
const HASH_FACTOR = 0x01000193;

/** A part of the picture that is as it was elsewhere. */
export interface Move {
  readonly rect: Rect;
  /** where it was: the same x, and this y */
  readonly fromY: number;
}

/** What a viewer shows, and what of the picture may have become different since. */
export class ShownPicture {
  readonly #width: number;
  readonly #height: number;
  readonly #pixels: Uint32Array;
  readonly #tilesPerRow: number;
  readonly #damaged: Uint8Array;
  /** Looks for a part that has moved that found none since the last that did, and how many are left out now. */
  #looksInVain = 0;
  #leftOut = 0;

  /** A viewer that shows nothing yet. */
  constructor({ width, height }: Pick<Frame, 'width' | 'height'>) {
    this.#width = width;
    this.#height = height;
    this.#pixels = new Uint32Array(width * height);
    this.#tilesPerRow = Math.ceil(width / TILE);
    this.#damaged = new Uint8Array(this.#tilesPerRow * Math.ceil(height / TILE)).fill(1);
  }

  /** Whether a picture has the size of this one. */
  fits({ width, height }: Pick<Frame, 'width' | 'height'>): boolean {
    return width === this.#width && height === this.#height;
  }

  /** Notes that a part of the picture may have become different. */
  damage({ x, y, width, height }: Rect): void {
    for (let row = Math.floor(y / TILE); row * TILE < y + height; row++) {
      const first = row * this.#tilesPerRow;
      this.#damaged.fill(1, first + Math.floor(x / TILE), first + Math.ceil((x + width) / TILE));
    }
  }

  /** Notes that the viewer shows nothing of a part any more. */
  forget(rect: Rect): void {
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      this.#pixels.fill(0, y * this.#width + rect.x, y * this.#width + rect.x + rect.width);
    }
    this.damage(rect);
  }

  /** Finds a part of full width that has moved up or down, as text does that scrolls, and takes it for shown. Where nothing
   * was found for some time, it is looked for less often: in a film there is nothing to be found. */
  takeMove(frame: Frame): Move | undefined {
    if (this.#damaged.reduce((sum, flag) => sum + flag, 0) * 4 < this.#damaged.length) return undefined;
    if (this.#leftOut > 0) {
      this.#leftOut--;
      return undefined;
    }
    const move = this.#findMove(frame);
    this.#looksInVain = move ? 0 : this.#looksInVain + 1;
    this.#leftOut = Math.min(Math.max(0, this.#looksInVain - LOOKS_IN_VAIN), MOST_LEFT_OUT);
    if (move === undefined) return undefined;
    const { y, height } = move.rect;
    const row = this.#width;
    this.#pixels.copyWithin(y * row, move.fromY * row, (move.fromY + height) * row);
    return move;
  }

  /** The parts that differ from the picture, which are then taken for shown. */
  takeChanges(frame: Frame): Rect[] {
    const changes: Rect[] = [];
    for (let tile = 0; tile < this.#damaged.length; tile++) {
      if (!this.#damaged[tile]) continue;
      this.#damaged[tile] = 0;
      const change = this.#changeIn(frame, this.#tileRect(tile));
      if (change) addChange(changes, change);
    }
    for (const rect of changes) this.#take(frame, rect);
    return changes;
  }

  #tileRect(tile: number): Rect {
    const x = (tile % this.#tilesPerRow) * TILE;
    const y = Math.floor(tile / this.#tilesPerRow) * TILE;
    return { x, y, width: Math.min(TILE, this.#width - x), height: Math.min(TILE, this.#height - y) };
  }

  /** The smallest part of a tile that has all its differences. */
  #changeIn({ pixels }: Frame, { x, y, width, height }: Rect): Rect | undefined {
    let [left, right, top, bottom] = [x + width, x, -1, -1];
    for (let row = y; row < y + height; row++) {
      const start = row * this.#width;
      let [from, to] = [x, x + width];
      while (from < to && pixels[start + from] === this.#pixels[start + from]) from++;
      if (from === to) continue;
      while (pixels[start + to - 1] === this.#pixels[start + to - 1]) to--;
      left = Math.min(left, from);
      right = Math.max(right, to);
      if (top < 0) top = row;
      bottom = row + 1;
    }
    return top < 0 ? undefined : { x: left, y: top, width: right - left, height: bottom - top };
  }

  #take({ pixels }: Frame, { x, y, width, height }: Rect): void {
    for (let row = y; row < y + height; row++) {
      const start = row * this.#width + x;
      this.#pixels.set(pixels.subarray(start, start + width), start);
    }
  }

  /** Lets the lines that are told apart by their content vote on how far they have moved. */
  #findMove(frame: Frame): Move | undefined {
    const before = lineHashes(this.#pixels, this.#width);
    const after = lineHashes(frame.pixels, this.#width);
    const places = new Map<number, number>();
    for (const [y, hash] of before.entries()) places.set(hash, places.has(hash) ? -1 : y);
    const votes = new Map<number, number>();
    for (const [y, hash] of after.entries()) {
      const from = places.get(hash) ?? -1;
      if (from >= 0 && from !== y) votes.set(from - y, (votes.get(from - y) ?? 0) + 1);
    }
    const [winner] = [...votes].sort((a, b) => b[1] - a[1]);
    return winner && this.#longestMove(frame, winner[0]);
  }

  #longestMove({ pixels }: Frame, distance: number): Move | undefined {
    const width = this.#width;
    const isMoved = (y: number) => {
      const [to, from] = [y * width, (y + distance) * width];
      for (let x = 0; x < width; x++) if (pixels[to + x] !== this.#pixels[from + x]) return false;
      return true;
    };
    const end = Math.min(this.#height, this.#height - distance);
    let best = { y: 0, height: 0 };
    for (let y = Math.max(0, -distance); y < end; y++) {
      let height = 0;
      while (y + height < end && isMoved(y + height)) height++;
      if (height > best.height) best = { y, height };
      y += height;
    }
    const { y, height } = best;
    return height < LEAST_SCROLLED ? undefined : { rect: { x: 0, y, width, height }, fromY: y + distance };
  }
}

/** Joins a change to the one left of it where both are about as high. */
function addChange(changes: Rect[], change: Rect): void {
  const last = changes.at(-1);
  const isNext =
    last !== undefined && last.x + last.width <= change.x && Math.floor(last.y / TILE) === Math.floor(change.y / TILE);
  if (!isNext || change.x - (last.x + last.width) > TILE / 2) {
    changes.push(change);
    return;
  }
  const y = Math.min(last.y, change.y);
  const bottom = Math.max(last.y + last.height, change.y + change.height);
  const width = change.x + change.width - last.x;
  changes[changes.length - 1] = { x: last.x, y, width, height: bottom - y };
}

function lineHashes(pixels: Uint32Array, width: number): number[] {
  const hashes: number[] = [];
  for (let start = 0; start < pixels.length; start += width) {
    let hash = HASH_START;
    for (let x = start; x < start + width; x++) hash = Math.imul(hash ^ pixels[x], HASH_FACTOR);
    hashes.push(hash);
  }
  return hashes;
}

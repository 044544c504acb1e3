const OPENING = '{[';
const CLOSING = '}]';
const LONGEST_VALUE = 2 ** 20;

/** Cuts a stream of text into JSON values that follow one another, with or without line ends between them.
 * A text that begins like no object or array reaches to the end of its line. */
export class JsonStream {
  #text = '';
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** Takes the next piece of the stream and answers the values that are complete, as text.
   * @throws {RangeError} a value is over 1 MiB */
  push(piece: string): string[] {
    const values: string[] = [];
    for (const character of piece) {
      const ends = this.#take(character);
      if (!ends) continue;
      const value = this.#text.trim();
      this.#text = '';
      if (value !== '') values.push(value);
    }
    if (this.#text.length > LONGEST_VALUE) throw new RangeError('JSON value is over 1 MiB');
    return values;
  }

  /** @returns whether a value ends with this character */
  #take(character: string): boolean {
    this.#text += character;
    if (this.#inString) {
      this.#inString = this.#escaped || character !== '"';
      this.#escaped = !this.#escaped && character === '\\';
      return false;
    }
    if (OPENING.includes(character)) this.#depth++;
    if (this.#depth === 0) return character === '\n';
    if (character === '"') this.#inString = true;
    if (CLOSING.includes(character)) this.#depth--;
    return this.#depth === 0;
  }
}

import { shellQuote } from '../shell-words.ts';
import type { GuestCommand } from './agent-session.ts';

/** A serial line on which a shell listens. */
export interface ShellLine {
  /** Types text of ASCII characters. */
  type(text: string): void;
  /** @param listen told what comes, a character a byte */
  onOutput(listen: (text: string) => void): void;
}

/** Nothing that was asked for came, or something that was not. */
export class ShellError extends Error {}

/** What is typed as a line at most: shells' line editors take no more than 1,000 characters or so. */
const TYPED_CHARACTERS = 200;
/** The longest command: a terminal keeps some kilobytes for who is slow to read, and loses more. */
const MOST_SCRIPT_BYTES = 16 << 10;
/** Bytes of input in a line, lines that are typed together, and how many times so many may be on their way: less than a terminal's
 * 4,095 characters. */
const INPUT_BYTES = 690;
const LINES_AT_ONCE = 2;
const BATCHES_UNDER_WAY = 2;
const END_OF_INPUT = '.';
const KILL_LINE = '\x15';
const INTERRUPT = '\x03';

/** What lines of the guest's say, by the letter behind the mark. */
const SAYS = { ready: 'R', begun: 'B', output: 'O', messages: 'E', taken: 'A', status: 'S', done: 'D' } as const;

/**
 * Runs commands by a shell on a serial line, which somebody has logged in to: it is given a script that runs the command with
 * its streams apart, as lines that begin with a mark of this conversation and hold base64. Whatever else comes is ignored.
 */
export class SerialShell {
  readonly #line: ShellLine;
  readonly #mark: string;
  readonly #ready = Promise.withResolvers<void>();
  readonly #begun = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<number>();
  #command: GuestCommand | undefined;
  #text = '';
  #status = 0;
  #isRunning = false;
  #hasEndedInput = false;
  #writes: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  #moreRoom: (() => void) | undefined;

  /** @param nonce letters and digits that have not been on the line before */
  constructor(line: ShellLine, nonce: string) {
    this.#line = line;
    this.#mark = `@${nonce}:`;
    line.onOutput((text) => this.#listen(text));
    this.#done.promise.catch(() => {}); // it may fail before anybody waits
  }

  /** Asks the shell for a sign of life. @returns what resolves when it has come */
  greet(): Promise<void> {
    // What is echoed is not what the shell says.
    this.#line.type(`${KILL_LINE}\n echo ${this.#mark.slice(0, 3)}''${this.#mark.slice(3)}${SAYS.ready}\n`);
    return this.#ready.promise;
  }

  /** Runs a command. @returns its exit status, as a shell gives it
   * @throws {ShellError} the command is too long, or what comes is not whole */
  async run(command: GuestCommand): Promise<number> {
    const script = scriptOf(command.words, this.#mark);
    if (script.length > MOST_SCRIPT_BYTES) throw new ShellError('the command is too long for a serial line');
    this.#command = command;
    this.#isRunning = true;
    const encoded = Buffer.from(script).toString('base64');
    this.#line.type(' VITRINE=\n');
    for (let at = 0; at < encoded.length; at += TYPED_CHARACTERS) {
      this.#line.type(` VITRINE="$VITRINE"${encoded.slice(at, at + TYPED_CHARACTERS)}\n`);
    }
    this.#line.type(' sh -c "$(echo $VITRINE | base64 -d)"; unset VITRINE\n');
    this.#feed(command.input).catch(this.#done.reject);
    try {
      const status = await this.#done.promise;
      await this.#writes;
      return status;
    } finally {
      this.#isRunning = false;
    }
  }

  /** Ends the command that runs. */
  interrupt(): void {
    if (this.#isRunning) this.#line.type(`${INTERRUPT}\n stty echo\n`);
    this.#isRunning = false;
  }

  /** What is typed before the script runs is not read line by line: a line editor does not let the terminal keep lines apart. */
  async #feed(input: GuestCommand['input']): Promise<void> {
    await this.#begun.promise;
    for await (const chunk of input ?? []) {
      for (let at = 0; at < chunk.length && this.#isRunning; at += LINES_AT_ONCE * INPUT_BYTES) {
        while (this.#underWay >= BATCHES_UNDER_WAY) await new Promise<void>((resolve) => (this.#moreRoom = resolve));
        this.#underWay++;
        const lines = linesOf((chunk as Uint8Array).subarray(at, at + LINES_AT_ONCE * INPUT_BYTES));
        this.#line.type(`${lines.length}\n${lines}`);
      }
    }
    this.#endInput();
  }

  /** Once: a second time it would be typed to the shell. */
  #endInput(): void {
    if (this.#isRunning && !this.#hasEndedInput) this.#line.type(`${END_OF_INPUT}\n`);
    this.#hasEndedInput = true;
  }

  #listen(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const at = line.lastIndexOf(this.#mark);
      if (at >= 0) this.#take(line.slice(at + this.#mark.length).replace(/\r*$/, ''));
    }
  }

  #take(said: string): void {
    const [what, rest] = [said[0], said.slice(1)];
    switch (what) {
      case SAYS.ready:
        this.#ready.resolve();
        break;
      case SAYS.begun:
        this.#begun.resolve();
        break;
      case SAYS.output:
      case SAYS.messages:
        this.#write(what === SAYS.output ? this.#command?.output : this.#command?.messages, rest);
        break;
      case SAYS.taken:
        this.#underWay--;
        this.#moreRoom?.();
        break;
      case SAYS.status:
        this.#status = Number(rest);
        this.#endInput();
        break;
      case SAYS.done:
        this.#done.resolve(this.#status);
    }
  }

  #write(to: GuestCommand['output'] | undefined, said: string): void {
    const [length, data = ''] = said.split(' ');
    if (data.length === Number(length)) {
      const written = new Promise((resolve) => to?.write(Buffer.from(data, 'base64'), resolve));
      this.#writes = Promise.all([this.#writes, written]);
    } else this.#done.reject(new ShellError('something else was written on the serial line meanwhile'));
  }
}

/** Input as it is typed, after how many characters that is. */
function linesOf(input: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < input.length; at += INPUT_BYTES) {
    lines.push(`${Buffer.from(input.subarray(at, at + INPUT_BYTES)).toString('base64')}\n`);
  }
  return lines.join('');
}

/**
 * The script for the guest: descriptor 3 is the terminal, 4 leads messages around what the output goes through. Shells read their lines
 * a byte at a time, which takes a guest tens of milliseconds for a kilobyte: other programs read what is long. Lines are written one at a time, so that none gets into another.
 */
function scriptOf(words: readonly string[], mark: string): string {
  return `m='${mark}'
stty -echo 2>/dev/null
echo "\${m}${SAYS.begun}"
frame() { base64 -w 900 | awk -v m="$m$1" '{ print m length($0) " " $0; fflush() }'; }
feed() {
  trap '' PIPE
  while read -r length && [ "$length" != ${END_OF_INPUT} ]; do
    lines=$(head -c "$length")
    printf '%s\\n' "$lines" 2>/dev/null
    echo "\${m}${SAYS.taken}" >&3
  done
}
exec 3>&1
{
  feed | base64 -d 2>/dev/null | {
    ( exec 3>&-; exec ${words.map(shellQuote).join(' ')} )
    echo "\${m}${SAYS.status}$?" >&3
  } 2>&4 4>&- | frame ${SAYS.output} >&3
} 4>&1 | frame ${SAYS.messages} >&3
stty echo 2>/dev/null
echo "\${m}${SAYS.done}"
`;
}

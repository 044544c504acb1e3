import { ByteWriter, concatenate } from '../../base/bytes.ts';
import { DeflateStream } from '../../base/deflate-stream.ts';
import type { Input } from '../input.ts';
import { BUTTON, type Frame, type Rect } from '../interfaces.ts';
import { keyByNumber } from '../keys.ts';
import { keysymsOf } from '../keysyms.ts';
import type { LayoutName } from '../layouts.ts';
import { encodeRaw, encodeZrle, rawBytes } from './encodings.ts';
import { encodePixelFormat, PIXEL_FORMAT_BYTES, PixelWriter, parsePixelFormat, SERVER_FORMAT } from './pixel-format.ts';
import { ShownPicture } from './shown.ts';
import { dataRect, type EncodedRect, UpdateWriter } from './update-message.ts';
import { vncResponse } from './vnc-auth.ts';

/** What viewers of a machine share. */
export interface RfbTarget {
  /** the name in the title of a viewer's window */
  readonly name: string;
  /** the picture as it was last drawn */
  frame(): Frame;
  readonly input: Input;
  /** what the keyboard's keys are taken for, of clients that do not tell which key it is */
  readonly layout: LayoutName;
  /** asked for by a VNC password where there is one */
  readonly password?: string;
  /** 16 random bytes */
  challenge(): Uint8Array;
}

/** A viewer that does not keep to the protocol, or does not know the password: its connection ends. */
export class RfbError extends Error {}

const VERSION_LENGTH = 12;
const SECURITY_NONE = 1;
const SECURITY_VNC = 2;
const CHALLENGE_BYTES = 16;
const LONGEST_CUT_TEXT = 1 << 20;

/** Client messages. */
const MESSAGE = {
  setPixelFormat: 0,
  setEncodings: 2,
  updateRequest: 3,
  keyEvent: 4,
  pointerEvent: 5,
  clientCutText: 6,
  setDesktopSize: 251,
  qemu: 255,
} as const;
const QEMU_KEY_EVENT = 0;

/** Encodings and pseudo-encodings (RFC 6143 section 7.7; the RFB registry of IANA). */
const ENCODING = {
  raw: 0,
  copyRect: 1,
  zrle: 16,
  desktopSize: -223,
  cursor: -239,
  qemuKeyEvent: -258,
  extendedDesktopSize: -308,
} as const;

const RESIZE_BY_SERVER = 0;
const RESIZE_BY_CLIENT = 1;
const RESIZE_PROHIBITED = 1;
const SCREEN_BYTES = 16;

/** Bits of a pointer event that are wheels: up and down. */
const WHEEL_UP = 0x08;
const WHEEL_DOWN = 0x10;
/** Bits of a pointer event and the buttons they are. */
const BUTTONS = [
  [0x01, BUTTON.left],
  [0x02, BUTTON.middle],
  [0x04, BUTTON.right],
  [0x80, BUTTON.side],
] as const;

type Step = { readonly length: number; readonly take: (bytes: DataView) => void };

/** Takes bytes for a viewer, which are not changed before `sent` is called. */
type Send = (bytes: Uint8Array, sent: () => void) => void;

/**
 * One viewer's conversation in the remote framebuffer protocol, versions 3.3, 3.7 and 3.8 (RFC 6143). It hears bytes
 * and says bytes; who carries them, and when the picture is drawn, is none of its business.
 */
export class RfbSession {
  readonly #target: RfbTarget;
  readonly #send: (bytes: Uint8Array, sent?: () => void) => void;
  readonly #isNear: boolean;
  readonly #keysyms: ReturnType<typeof keysymsOf>;
  #input: Uint8Array = new Uint8Array(0);
  #step: Step;
  #minor = 8;
  #encodings: readonly number[] = [ENCODING.raw];
  #writer = new PixelWriter(SERVER_FORMAT);
  readonly #deflate = new DeflateStream();
  readonly #updates = new UpdateWriter();
  #shown: ShownPicture;
  /** Whether the client waits for an update, and whether it knows the size of the picture and the cursor. */
  #requested = false;
  #running = false;
  #knowsSize = true;
  #knowsCursor = true;
  #wheels = 0;

  /** Greets the viewer. @param isNear whether bytes are cheaper than compression */
  constructor(target: RfbTarget, send: Send, isNear = false) {
    this.#target = target;
    this.#isNear = isNear;
    this.#send = (bytes, sent = () => {}) => send(bytes, sent);
    this.#keysyms = keysymsOf(target.layout);
    this.#shown = new ShownPicture(target.frame());
    this.#step = { length: VERSION_LENGTH, take: (bytes) => this.#takeVersion(bytes) };
    this.#send(new TextEncoder().encode('RFB 003.008\n'));
  }

  /** Whether the viewer waits for something to change. */
  get isWaiting(): boolean {
    return this.#running && this.#requested;
  }

  /** Takes bytes from the viewer, in pieces of any length. @throws {RfbError} the connection has to end */
  receive(bytes: Uint8Array): void {
    const input = concatenate([this.#input, bytes]);
    let at = 0;
    while (input.length - at >= this.#step.length) {
      const { length, take } = this.#step;
      at += length;
      take(new DataView(input.buffer, at - length, length));
    }
    this.#input = input.subarray(at);
  }

  /** Says that parts of the picture were drawn anew, and sends what the viewer waits for. @param parts empty: none */
  update(parts: readonly Rect[]): void {
    const frame = this.#target.frame();
    if (!this.#shown.fits(frame)) this.#resized(frame);
    else for (const part of parts) this.#shown.damage(part);
    if (this.#requested) this.#sendUpdate(frame);
  }

  #next(length: number, take: Step['take']): void {
    this.#step = { length, take };
  }

  #takeVersion(bytes: DataView): void {
    const text = new TextDecoder().decode(bytes);
    const match = /^RFB 003\.(\d{3})\n$/.exec(text);
    if (match === null) throw new RfbError(`the viewer speaks ${JSON.stringify(text)}`);
    const minor = Number(match[1]);
    this.#minor = minor >= 8 ? 8 : minor === 7 ? 7 : 3;
    const security = this.#target.password === undefined ? SECURITY_NONE : SECURITY_VNC;
    if (this.#minor === 3) {
      this.#send(new Uint8Array([0, 0, 0, security]));
      this.#authenticate(security);
      return;
    }
    this.#send(new Uint8Array([1, security]));
    this.#next(1, (choice) => {
      if (choice.getUint8(0) !== security) this.#refuse('this kind of security is not offered');
      this.#authenticate(security);
    });
  }

  #authenticate(security: number): void {
    const { password } = this.#target;
    if (security === SECURITY_NONE || password === undefined) {
      if (this.#minor === 8) this.#send(new Uint8Array(4));
      this.#awaitInit();
      return;
    }
    const challenge = this.#target.challenge();
    this.#send(challenge);
    this.#next(CHALLENGE_BYTES, (bytes) => {
      const expected = vncResponse(password, challenge);
      const differing = expected.reduce((bits, byte, i) => bits | (byte ^ bytes.getUint8(i)), 0);
      if (differing !== 0) this.#refuse('the password is wrong');
      this.#send(new Uint8Array(4));
      this.#awaitInit();
    });
  }

  /** Fails the security handshake. @throws {RfbError} always */
  #refuse(reason: string): never {
    const text = new TextEncoder().encode(reason);
    const message = new Uint8Array(this.#minor === 8 ? 8 + text.length : 4);
    const view = new DataView(message.buffer);
    view.setUint32(0, 1);
    if (this.#minor === 8) {
      view.setUint32(4, text.length);
      message.set(text, 8);
    }
    this.#send(message);
    throw new RfbError(reason);
  }

  #awaitInit(): void {
    this.#next(1, () => {
      const { width, height } = this.#target.frame();
      const name = new TextEncoder().encode(this.#target.name);
      const message = new BigEndianWriter().u16(width).u16(height);
      this.#send(message.bytes(encodePixelFormat(SERVER_FORMAT)).u32(name.length).bytes(name).finish());
      this.#shown = new ShownPicture(this.#target.frame());
      this.#running = true;
      this.#awaitMessage();
    });
  }

  #awaitMessage(): void {
    this.#next(1, (bytes) => this.#takeMessage(bytes.getUint8(0)));
  }

  #takeMessage(type: number): void {
    const step = this.#stepOf(type);
    if (step === undefined) throw new RfbError(`the viewer sent a message of unknown type ${type}`);
    this.#next(step.length, (bytes) => {
      this.#awaitMessage();
      step.take(bytes);
    });
  }

  /** What follows the type of a message, and what is done with it. */
  #stepOf(type: number): Step | undefined {
    switch (type) {
      case MESSAGE.setPixelFormat:
        return { length: 3 + PIXEL_FORMAT_BYTES, take: (bytes) => this.#setPixelFormat(bytes) };
      case MESSAGE.setEncodings:
        return { length: 3, take: (head) => this.#takeEncodings(head.getUint16(1)) };
      case MESSAGE.updateRequest:
        return { length: 9, take: (bytes) => this.#requestUpdate(bytes) };
      case MESSAGE.keyEvent:
        return { length: 7, take: (bytes) => this.#keysym(bytes.getUint32(3), bytes.getUint8(0) !== 0) };
      case MESSAGE.pointerEvent:
        return { length: 5, take: (bytes) => this.#point(bytes.getUint8(0), bytes.getUint16(1), bytes.getUint16(3)) };
      case MESSAGE.clientCutText:
        return { length: 7, take: (head) => this.#skip(Math.abs(head.getInt32(3))) };
      case MESSAGE.setDesktopSize:
        return { length: 7, take: (head) => this.#refuseResize(head.getUint8(5)) };
      case MESSAGE.qemu:
        return { length: 11, take: (bytes) => this.#qemuKey(bytes) };
      default:
        return undefined;
    }
  }

  #takeEncodings(count: number): void {
    this.#next(count * 4, (bytes) => {
      this.#awaitMessage();
      this.#setEncodings(Array.from({ length: count }, (_, i) => bytes.getInt32(i * 4)));
    });
  }

  #skip(length: number): void {
    if (length > LONGEST_CUT_TEXT) throw new RfbError(`the viewer sent ${length} bytes of text`);
    if (length > 0) this.#next(length, () => this.#awaitMessage());
  }

  #setPixelFormat(bytes: DataView): void {
    const format = parsePixelFormat(new Uint8Array(bytes.buffer, bytes.byteOffset + 3, PIXEL_FORMAT_BYTES));
    if (format === undefined) throw new RfbError('the viewer wants a pixel format that is not supported');
    this.#writer = new PixelWriter(format);
  }

  #setEncodings(encodings: readonly number[]): void {
    this.#encodings = encodings;
    this.#knowsCursor = !encodings.includes(ENCODING.cursor);
    if (encodings.includes(ENCODING.extendedDesktopSize)) this.#knowsSize = false;
    if (encodings.includes(ENCODING.qemuKeyEvent)) this.#sendRects([dataRect(EMPTY, ENCODING.qemuKeyEvent)]);
  }

  #requestUpdate(bytes: DataView): void {
    const incremental = bytes.getUint8(0) !== 0;
    const frame = this.#target.frame();
    this.#requested = true;
    if (!incremental && this.#shown.fits(frame)) {
      const [x, y] = [Math.min(bytes.getUint16(1), frame.width), Math.min(bytes.getUint16(3), frame.height)];
      const width = Math.min(bytes.getUint16(5), frame.width - x);
      this.#shown.forget({ x, y, width, height: Math.min(bytes.getUint16(7), frame.height - y) });
    }
    this.update([]);
  }

  #resized(frame: Frame): void {
    this.#shown = new ShownPicture(frame);
    this.#knowsSize = false;
  }

  #sendUpdate(frame: Frame): void {
    if (!this.#running) return;
    const rects: EncodedRect[] = [];
    if (!this.#knowsSize) {
      const size = this.#sizeRect(frame, RESIZE_BY_SERVER, 0);
      if (size === undefined) throw new RfbError('the picture has another size, which the viewer cannot be told');
      rects.push(size);
      this.#knowsSize = true;
    }
    if (!this.#knowsCursor) rects.push(invisibleCursor(this.#writer));
    this.#knowsCursor = true;
    if (this.#encodings.includes(ENCODING.copyRect)) {
      const move = this.#shown.takeMove(frame);
      const source = move && new BigEndianWriter().u16(move.rect.x).u16(move.fromY).finish();
      if (move) rects.push(dataRect(move.rect, ENCODING.copyRect, source));
    }
    for (const rect of this.#shown.takeChanges(frame)) rects.push(this.#encode(frame, rect));
    if (rects.length === 0) return;
    this.#requested = false;
    this.#sendRects(rects);
  }

  #encode(frame: Frame, rect: Rect): EncodedRect {
    const writer = this.#writer;
    if (this.#isNear || !this.#encodings.includes(ENCODING.zrle)) {
      const put = (target: Uint8Array, at: number) => encodeRaw(frame, rect, writer, target, at);
      return { rect, encoding: ENCODING.raw, dataBytes: rawBytes(rect, writer), put };
    }
    return dataRect(rect, ENCODING.zrle, encodeZrle(frame, rect, writer, this.#deflate));
  }

  /** Tells the size of the picture, in the words that the viewer understands; undefined where it understands none. */
  #sizeRect({ width, height }: Frame, reason: number, result: number): EncodedRect | undefined {
    if (this.#encodings.includes(ENCODING.extendedDesktopSize)) {
      const screen = new BigEndianWriter().bytes([1, 0, 0, 0]).u32(0).u16(0).u16(0).u16(width).u16(height).u32(0);
      const rect = { x: reason, y: result, width, height };
      return dataRect(rect, ENCODING.extendedDesktopSize, screen.finish());
    }
    if (!this.#encodings.includes(ENCODING.desktopSize)) return undefined;
    return dataRect({ x: 0, y: 0, width, height }, ENCODING.desktopSize);
  }

  /** The guest alone chooses the size of its screen. @param screens that the viewer describes */
  #refuseResize(screens: number): void {
    this.#skip(screens * SCREEN_BYTES);
    const answer = this.#sizeRect(this.#target.frame(), RESIZE_BY_CLIENT, RESIZE_PROHIBITED);
    if (answer) this.#sendRects([answer]);
  }

  #sendRects(rects: readonly EncodedRect[]): void {
    const message = this.#updates.write(rects);
    this.#send(message, () => this.#updates.release(message));
  }

  #keysym(keysym: number, down: boolean): void {
    const lower = keysym >= 0x41 && keysym <= 0x5a ? keysym + 0x20 : keysym;
    const key = this.#keysyms.get(lower);
    if (key) this.#target.input.keyOfViewer(key, down);
  }

  /** QEMU's extended key event, which tells the key itself: its number is that of scan code set 1, behind E0h. */
  #qemuKey(bytes: DataView): void {
    if (bytes.getUint8(0) !== QEMU_KEY_EVENT) throw new RfbError('the viewer wants sound');
    const code = bytes.getUint32(7);
    const number = (code & 0xff) | ((code & 0xff00) === 0xe000 ? 0x80 : 0);
    const key = keyByNumber(number);
    if (key) this.#target.input.keyOfViewer(key, bytes.getUint16(1) !== 0);
    else this.#keysym(bytes.getUint32(3), bytes.getUint16(1) !== 0);
  }

  #point(mask: number, x: number, y: number): void {
    const pressed = mask & ~this.#wheels;
    this.#wheels = mask & (WHEEL_UP | WHEEL_DOWN);
    const wheel = (pressed & WHEEL_DOWN ? 1 : 0) - (pressed & WHEEL_UP ? 1 : 0);
    const buttons = BUTTONS.reduce((bits, [bit, button]) => bits | (mask & bit ? button : 0), 0);
    this.#target.input.point(x, y, this.#target.frame(), buttons, wheel);
  }
}

const EMPTY: Rect = { x: 0, y: 0, width: 0, height: 0 };

/** The guest draws its own pointer: the viewer's is a pixel that is not there. */
function invisibleCursor(writer: PixelWriter): EncodedRect {
  const rect = { x: 0, y: 0, width: 1, height: 1 };
  return dataRect(rect, ENCODING.cursor, new Uint8Array(writer.bytes + 1));
}

/** The protocol is big-endian. */
class BigEndianWriter {
  readonly #out = new ByteWriter();

  u16(value: number): this {
    return this.bytes([(value >> 8) & 0xff, value & 0xff]);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff);
  }

  bytes(bytes: ArrayLike<number>): this {
    this.#out.append(bytes);
    return this;
  }

  finish(): Uint8Array {
    return this.#out.finish();
  }
}

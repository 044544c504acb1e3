import { EVENT_TYPE, type InputDescription } from './input.ts';

/** Codes of the pointer's events, as Linux numbers them. */
export const POINTER = {
  x: 0,
  y: 1,
  horizontalWheel: 6,
  wheel: 8,
  left: 0x110,
  right: 0x111,
  middle: 0x112,
  side: 0x113,
  extra: 0x114,
} as const;

/** The largest value of the tablet's axes. */
export const TABLET_MAX = 32767;

const KEYS = Array.from({ length: 248 }, (_, code) => code + 1);
const LEDS = [0, 1, 2];
const REPEAT = [0, 1];

/** A keyboard with all keys that Linux numbers up to 248. */
export const KEYBOARD: InputDescription = {
  name: 'Vitrine Virtio Keyboard',
  product: 1,
  codes: new Map([
    [EVENT_TYPE.key, KEYS],
    [EVENT_TYPE.led, LEDS],
    [EVENT_TYPE.repeat, REPEAT],
  ]),
};

/** A pointer that says where it is, not how far it has moved. */
export const TABLET: InputDescription = {
  name: 'Vitrine Virtio Tablet',
  product: 3,
  codes: new Map([
    [EVENT_TYPE.key, [POINTER.left, POINTER.right, POINTER.middle, POINTER.side, POINTER.extra]],
    [EVENT_TYPE.relative, [POINTER.wheel, POINTER.horizontalWheel]],
    [EVENT_TYPE.absolute, [POINTER.x, POINTER.y]],
  ]),
  absoluteMax: new Map([
    [POINTER.x, TABLET_MAX],
    [POINTER.y, TABLET_MAX],
  ]),
};

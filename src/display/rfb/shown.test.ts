import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from '../interfaces.ts';
import { ShownPicture } from './shown.ts';

const [WIDTH, HEIGHT] = [64, 128];
const WHOLE = { x: 0, y: 0, width: WIDTH, height: HEIGHT };
const FILM = 30;
const MOST_LEFT_OUT = 8;

/** Lines each of another colour, from a first one on. */
function lines(first: number): Frame {
  return {
    width: WIDTH,
    height: HEIGHT,
    pixels: Uint32Array.from({ length: WIDTH * HEIGHT }, (_, i) => first + Math.floor(i / WIDTH)),
  };
}

function show(shown: ShownPicture, frame: Frame) {
  shown.damage(WHOLE);
  const move = shown.takeMove(frame);
  shown.takeChanges(frame);
  return move;
}

test('what scrolls after a film is found to have moved before many pictures have passed', () => {
  const shown = new ShownPicture(WHOLE);
  for (let n = 0; n < FILM; n++) assert.equal(show(shown, lines(n * 1000)), undefined);
  const moves = Array.from({ length: MOST_LEFT_OUT + 2 }, (_, n) => show(shown, lines(FILM * 1000 + n)));
  const first = moves.findIndex((move) => move !== undefined);
  assert.ok(first >= 0 && first <= MOST_LEFT_OUT + 1);
  assert.deepEqual(moves[first], { rect: { ...WHOLE, height: HEIGHT - 1 }, fromY: 1 });
  assert.ok(
    moves.slice(first).every((move) => move !== undefined),
    'and from then on each time',
  );
});

import { keyByName } from '../display/keys.ts';
import { LAYOUT_NAMES } from '../display/layouts.ts';
import type { VmConsole } from './console.ts';
import { Arguments, isFields } from './qmp-arguments.ts';
import { QmpError } from './qmp-error.ts';

const MESSAGES = ['text', 'keys', 'move'] as const;

/**
 * Does what a page asks for besides what VNC has words for: `{type: 'text', text, layout}` types text,
 * `{type: 'keys', names}` presses keys together, `{type: 'move', dx, dy, wheel, buttons}` moves a captured mouse.
 * @returns what is wrong with the message, for people; undefined where nothing is
 */
export function takePageMessage(console: VmConsole, text: string): string | undefined {
  try {
    const message: unknown = JSON.parse(text);
    if (!isFields(message)) return 'the message is no object';
    act(console, new Arguments(message), message.names);
    return undefined;
  } catch (error) {
    if (error instanceof QmpError || error instanceof SyntaxError || error instanceof RangeError) return error.message;
    throw error;
  }
}

function act(console: VmConsole, message: Arguments, names: unknown): void {
  switch (message.word('type', MESSAGES)) {
    case 'text':
      console.keys.type(message.text('text'), message.word('layout', LAYOUT_NAMES));
      break;
    case 'keys':
      if (Array.isArray(names)) console.keys.press(names.flatMap((name) => keyByName(String(name)) ?? []));
      break;
    case 'move': {
      const [dx, dy, buttons, wheel] = ['dx', 'dy', 'buttons', 'wheel'].map((name) => message.integer(name));
      console.input.move(dx, dy, buttons, wheel);
    }
  }
}

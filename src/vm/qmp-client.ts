import type { Fields } from './qmp-arguments.ts';

/** The client whose command is executed. */
export interface QmpClient {
  /** Sends it an event. */
  sendEvent(event: string, data?: Fields): void;
  /** Has something done when the conversation ends. */
  atEnd(action: () => void): void;
}

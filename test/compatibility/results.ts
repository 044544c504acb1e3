import type { Firmware } from './guests.ts';

/** What became of a guest. It is written beside its screenshot, by the same name. */
export interface GuestResult {
  readonly guest: string;
  readonly firmware: Firmware;
  readonly outcome: 'works' | 'fails' | 'skipped';
  /** What went wrong, or why it was skipped. */
  readonly reason?: string;
  readonly seconds: number;
}

/** Name of the files that belong to a run. */
export function resultName(guest: string, firmware: Firmware): string {
  return `${guest}-${firmware}`;
}

import { PC_PORTS } from '../pc-map.ts';
import { BDA } from './bda.ts';
import type { Caller } from './caller.ts';

const PORTS = 3;
const STATUS = 1;
const CONTROL = 2;
const NOT_BUSY = 0x80;
const CONTROL_IDLE = 0x0c;
const CONTROL_STROBE = 0x0d;
const CONTROL_INIT = 0x08;
/** The bits of the status register that callers see, and those of them that they see the other way round. */
const STATUS_SHOWN = 0xf8;
const STATUS_INVERTED = 0x48;
const TIMEOUT = 0x01;
const PROBE = 0xaa;
const TIMEOUT_UNITS = 0x14;
const EQUIPMENT_PRINTER = 1 << 14;

/** Tells of LPT1 in the data area, where there is one: a port whose data is read back. */
export function addPrinter(c: Caller): void {
  const [port] = PC_PORTS.parallel;
  c.out(port, PROBE);
  if (c.in(port) !== PROBE) return;
  c.out(port + CONTROL, CONTROL_IDLE);
  c.store(BDA.lpt, 2, port);
  c.store(BDA.lptTimeout, 1, TIMEOUT_UNITS);
  c.store(BDA.equipment, 2, c.load(BDA.equipment, 2) | EQUIPMENT_PRINTER);
}

/** INT 17h: prints AL, initialises a printer, or tells of one. A printer that is busy is one that timed out. */
export function printer(c: Caller): void {
  const { ah } = c;
  if (ah > 2) return;
  const port = c.dx < PORTS ? c.load(BDA.lpt + c.dx * 2, 2) : 0;
  if (port === 0) {
    c.ah = TIMEOUT;
    return;
  }
  const timedOut = ah === 0 && !print(c, port);
  if (ah === 1) {
    c.out(port + CONTROL, CONTROL_INIT);
    c.out(port + CONTROL, CONTROL_IDLE);
  }
  c.ah = ((c.in(port + STATUS) & STATUS_SHOWN) ^ STATUS_INVERTED) | (timedOut ? TIMEOUT : 0);
}

/** @returns whether the printer took AL */
function print(c: Caller, port: number): boolean {
  if (!(c.in(port + STATUS) & NOT_BUSY)) return false;
  c.out(port, c.al);
  c.out(port + CONTROL, CONTROL_STROBE);
  c.out(port + CONTROL, CONTROL_IDLE);
  return true;
}

import type { Semantics, SemanticsTable } from '../lift.ts';

/** IN: the port is an immediate byte or DX. */
const portIn: Semantics = (l) => {
  const value = l.system('portIn', l.read(1).extU(), l.width(0) / 8);
  l.write(0, value.wrap());
};

const portOut: Semantics = (l) => {
  const port = l.read(0).extU();
  l.system('portOut', port.or((l.width(1) / 8) << 16), l.read(1).extU());
};

/** Port input and output. */
export const IO_SEMANTICS: SemanticsTable = { in: portIn, out: portOut };

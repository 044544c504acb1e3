import { type Cidr, formatAddress, isInCidr, parseCidr } from '../base/ip-address.ts';

const MOST_PORT = 65535;
/** Addresses that are remembered for names. */
const MOST_NAMES = 4096;

/** A destination, or many: what a rule is about. */
export interface Destination {
  /** Absent where the rule names hosts by name. */
  readonly range?: Cidr;
  /** A host's name in small letters; `*.` before it stands for everything below it, `*` alone for all. */
  readonly name?: string;
  readonly ports: readonly [first: number, last: number];
}

/** Reads `HOST[:PORT[-PORT]]`, where HOST is an address, a range such as 10.0.0.0/8 or [fd00::]/8, or a name.
 * @returns undefined when it is none of these */
export function parseDestination(text: string): Destination | undefined {
  const match = /^(?:\[([^\]]+)\](\/\d+)?|([^:]*))(?::(\d{1,5})(?:-(\d{1,5}))?)?$/.exec(text);
  if (!match) return undefined;
  const [, bracketed, prefix = '', plain = '', first, last = first] = match;
  const ports = [Number(first ?? 0), Number(last ?? MOST_PORT)] as const;
  if (ports[0] > ports[1] || ports[1] > MOST_PORT) return undefined;
  const range = parseCidr(bracketed === undefined ? plain : bracketed + prefix);
  if (range) return { range, ports };
  const isName = /^(\*|(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)$/i.test(plain) && !/^[\d.]+(\/|$)/.test(plain);
  return isName ? { name: plain.toLowerCase(), ports } : undefined;
}

/** Whether the guest may reach what a rule is about. */
export interface Rule {
  readonly allows: boolean;
  readonly destination: Destination;
}

/**
 * Where the guest may go. The first rule that fits decides; where none does, everything is allowed unless a rule allows
 * something. Rules with names hold for the addresses that the guest was given for them.
 */
export class Policy {
  readonly #rules: readonly Rule[];
  readonly #names = new Map<string, Set<string>>();

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  /** Remembers that the guest was told an address for a name. */
  learn(name: string, address: Uint8Array): void {
    if (!this.#rules.some(({ destination }) => destination.name !== undefined)) return;
    const key = formatAddress(address);
    const [oldest] = this.#names.keys();
    if (this.#names.size >= MOST_NAMES && !this.#names.has(key)) this.#names.delete(oldest);
    const names = this.#names.get(key) ?? new Set();
    if (names.size < MOST_NAMES) names.add(name);
    this.#names.set(key, names);
  }

  mayReach(address: Uint8Array, port: number): boolean {
    const names = this.#names.get(formatAddress(address));
    const fits = ({ range, name, ports }: Destination) =>
      port >= ports[0] &&
      port <= ports[1] &&
      (range ? isInCidr(address, range) : name === '*' || [...(names ?? [])].some((known) => isNamed(known, name)));
    return this.#decide(this.#rules.find(({ destination }) => fits(destination)));
  }

  /** Whether the guest may learn a name's addresses: not where it may go to none of its ports. */
  mayResolve(name: string): boolean {
    const whole = ({ ports }: Destination) => ports[0] === 0 && ports[1] === MOST_PORT;
    const rule = this.#rules.find(
      ({ allows, destination }) => isNamed(name, destination.name) && (allows || whole(destination)),
    );
    return rule ? rule.allows : true;
  }

  #decide(rule: Rule | undefined): boolean {
    return rule ? rule.allows : !this.#rules.some(({ allows }) => allows);
  }
}

function isNamed(name: string, pattern: string | undefined): boolean {
  if (pattern === undefined) return false;
  if (pattern === '*') return true;
  return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern;
}

/** A channel of the ISA DMA controllers, as a device that is wired to its DREQ and DACK sees it. */
export interface IsaDmaChannel {
  /** Whether the channel would serve a request now. */
  readonly ready: boolean;
  /**
   * Moves bytes, as many as the channel's count allows. A channel that is not ready moves none.
   * @param direction where the data goes: a mode of the other direction moves as many bytes, but memory keeps what it has
   * @returns how many were moved, and whether TC was asserted with the last
   * @throws {PageAbsent} nothing has changed but memory
   */
  move(direction: 'toMemory' | 'fromMemory', data: Uint8Array): { readonly moved: number; readonly tc: boolean };
  /** @param listen told when the channel has become ready */
  onReady(listen: () => void): void;
}

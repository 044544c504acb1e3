const RATE_HZ = 48_000;

/** The guest's sound in the page: silent until somebody asks for it, which browsers require too. */
export class Sound {
  readonly #socketUrl: URL;
  readonly #playerUrl: URL;
  #context: AudioContext | undefined;
  #socket: WebSocket | undefined;

  /** @param socketUrl where samples come from  @param playerUrl the script that plays them */
  constructor(socketUrl: URL, playerUrl: URL) {
    this.#socketUrl = socketUrl;
    this.#playerUrl = playerUrl;
  }

  /** Begins to play, or ends it. To be called when somebody has pressed something. */
  async toggle(): Promise<void> {
    if (this.#context) await this.#stop();
    else await this.#start();
  }

  async #start(): Promise<void> {
    const context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: 'interactive' });
    this.#context = context;
    await context.audioWorklet.addModule(this.#playerUrl);
    const player = new AudioWorkletNode(context, 'sound-player', { numberOfInputs: 0, outputChannelCount: [2] });
    player.connect(context.destination);
    await context.resume();
    if (this.#context !== context) return; // it was turned off meanwhile
    const socket = new WebSocket(this.#socketUrl);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => player.port.postMessage(data, [data as ArrayBuffer]);
    this.#socket = socket;
  }

  async #stop(): Promise<void> {
    const [context, socket] = [this.#context, this.#socket];
    this.#context = undefined;
    this.#socket = undefined;
    socket?.close();
    await context?.close();
  }
}

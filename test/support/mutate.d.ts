/** Spoils a body as a broken sender, a broken line or an attacker would: bytes flipped, cut, doubled, lengths and header changed. */
/** @param random whole numbers from 0 below its argument */
export declare function mutate(body: Buffer, random: (below: number) => number): Buffer;

export interface CostlyBody {
  what: string;
  type: string;
  body: Buffer;
  /** Of the answer. */
  status: number;
  /** Of a refusal: a part of its rule. */
  rule?: string;
}
/** Made when asked for. */
export declare const COSTLY: Record<string, () => CostlyBody>;

/** `gainwatch/model`: the small byte-level language model and what it is trained with. */
export { AdamW, type AdamWConfig } from './adamw.ts';
export { type Batch, createBatches } from './batches.ts';
export { VOCABULARY } from './bytes.ts';
export { crossEntropy } from './nextByteLoss.ts';
export { seededRandom } from './random.ts';
export { CONNECTIONS, type ConnectionName, createTransformer, type TransformerConfig } from './transformer.ts';

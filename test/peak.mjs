import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { accelerate } from 'gainwatch/kernels';
import { AdamW, createTransformer, crossEntropy } from 'gainwatch/model';
const [,, backend='wasm', acc='1', width='64', depth='12', B='8', T='64'] = process.argv;
await tf.setBackend(backend);
if (acc==='1') accelerate(tf);
export function track() {
  const b = tf.backend(); 
  let now=0, peak=0; const size = new Map();
  const data = backend==='cpu'? b.data : b.dataIdMap;
  const set=data.set.bind(data), del=data.delete.bind(data);
  data.set=(id,v)=>{ const n= v.values? v.values.byteLength : (v.shape? tf.util.sizeFromShape(v.shape)*4:0); if(size.has(id)) now-=size.get(id); size.set(id,n); now+=n; peak=Math.max(peak,now); return set(id,v);};
  data.delete=(id)=>{ if(size.has(id)){now-=size.get(id); size.delete(id);} return del(id);};
  return { get now(){return now}, get peak(){return peak}, reset(){peak=now} };
}
const m = track();
for (const connection of ['mhc','hc','residual']) for (const recompute of ['none','connections','blocks']) {
  const base=m.now;
  const model = createTransformer({ connection, depth:+depth, width:+width, context:+T, heads:4, streams:4, seed:1, recompute });
  const optimizer = new AdamW({ learningRate: 1e-3, clipNorm: 1 });
  const x = tf.range(0,+B*+T,1,'int32').mod(tf.scalar(251,'int32')).reshape([+B,+T]);
  let fw=0;
  const step=()=>{ const l=optimizer.minimize(()=>{const y=crossEntropy(x, model.apply(x,{training:true})); return y}, true); const v=l.dataSync()[0]; l.dispose(); return v};
  step(); m.reset(); const t=performance.now(); const l=[step()]; const pk=m.peak; l.push(step()); const ms=(performance.now()-t)/2;
  console.log(connection, recompute, 'held', ((m.now-base)/2**20).toFixed(1), 'peak MiB', ((pk-base)/2**20).toFixed(1), 'ms', ms.toFixed(0), l.join());
  model.dispose(); optimizer.dispose(); x.dispose();
}

/** The express application: headers, access, dashboard, `/metrics`, `/sd`, `/healthz` and `/api/v1`. Listens to no port (listen.ts). */
import compression from 'compression';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { short } from '../fieldError.ts';
import type { Ingest } from '../ingest/ingestRun.ts';
import { FORMATS, type Metrics } from '../metrics/metrics.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Access, checkHost, isHttps, refuse } from './access.ts';
import { answerError } from './answerError.ts';
import { authorize, requesterOf } from './authorize.ts';
import { checkSite } from './foreignSite.ts';
import { createIngestRoutes } from './ingestRoutes.ts';
import { onlyFields } from './query.ts';
import { createRoutes } from './routes.ts';
import { createSessions } from './session.ts';
import type { Stream } from './stream.ts';

export interface AppOptions {
  access: Access;
  pipeline: Pipeline;
  metrics: Metrics;
  stream: Stream;
  ingest: Ingest;
  /** Folder of the built dashboard. */
  assets: string;
}

/** The application, listening nowhere yet. */
export function createApp({ access, pipeline, metrics, stream, ingest, assets }: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          styleSrc: ["'self'"],
          imgSrc: ["'self'", 'data:'],
          connectSrc: ["'self'"],
          baseUri: ["'none'"],
          formAction: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      strictTransportSecurity: false, // plain HTTP; a proxy in front sets its own
    }),
  );
  const routes = express.Router();
  routes.get('/healthz', (_request, response) => {
    response.type('text/plain').send('ok\n');
  });
  routes.use(checkRequest, checkHost(access), authorize(access, createSessions(performance.now.bind(performance))), checkSite);
  routes.get('/api/v1/stream', onlyFields('run'), (request, response) => stream.handle(request, response, requesterOf(response).leftMs));
  // Without the slash at its end the page's relative addresses would lead elsewhere.
  routes.get('/', (request, response, next) => {
    if (request.originalUrl.split('?')[0].endsWith('/')) next();
    else response.redirect(308, `${access.basePath}/`);
  });
  // A third of the time of level 6, for a fifteenth more bytes.
  routes.use(compression({ level: 2 }));
  routes.get('/metrics', async (request, response) => {
    const { contentType, body } = await metrics.scrape(request.accepts([...FORMATS]));
    response.set({ 'Content-Type': contentType, 'Cache-Control': 'no-store', Vary: 'Accept' }).send(Buffer.from(body));
  });
  routes.get('/sd', (request, response) => {
    const labels = { __scheme__: isHttps(request) ? 'https' : 'http', __metrics_path__: `${access.basePath}/metrics` };
    response.json([{ targets: [request.headers.host ?? ''], labels }]);
  });
  routes.use('/api/v1', createIngestRoutes(ingest));
  routes.use('/api/v1', createRoutes(ingest, stream));
  routes.use(
    express.static(assets, {
      setHeaders: (response, path) => {
        response.setHeader('Cache-Control', path.endsWith('.html') ? 'no-cache' : 'public, max-age=31536000, immutable');
      },
    }),
  );
  app.use(access.basePath === '' ? '/' : access.basePath, routes);
  app.use((request, response) => refuse(response, 404, 'path', 'is not known here', short(request.path)));
  app.use(answerError(pipeline.warnOnce));
  return app;
}

const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'];

/** A method that nothing here answers to, TRACE among them, and a path that is no text get no further. */
const checkRequest: RequestHandler = (request, response, next) => {
  if (!METHODS.includes(request.method)) {
    response.set('Allow', METHODS.join(', '));
    refuse(response, 405, 'method', `must be one of ${METHODS.join(', ')}`, request.method);
  } else if (isEncoded(request.path)) next();
  else refuse(response, 400, 'path', 'must be percent-encoded UTF-8', short(request.path));
};

function isEncoded(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** Starts the page. */
import { render } from 'preact';
import { App } from './app.tsx';
import { start } from './state/liveStream.ts';
import './style.css';

render(<App />, document.getElementById('app')!);
void start();

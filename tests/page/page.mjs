// tests/page/page.mjs URL PKI OUT - the operators' page in a real browser, against a real VM.
//
// PKI: a folder of `bulkhead pki` with the certificates viewer and operator. Screenshots go to the folder OUT. Each check is a
// line "ok NAME" or "not ok NAME: why"; the exit status is 1 if one failed. What kills a worker is KILL, a program.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.NODE_MODULES, 'x.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const [url, pki, out] = process.argv.slice(2);
let failed = 0;

async function check(name, action) {
  try {
    await action();
    console.log(`ok ${name}`);
  } catch (error) {
    failed = 1;
    console.log(`not ok ${name}: ${error.message}`);
  }
}

function expect(condition, text) {
  if (!condition) throw new Error(text);
}

const browser = await chromium.launch({ timeout: 60000, executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });

// What a browser complains of, or asks elsewhere, fails the run. Only what a viewer may not do may be refused.
async function open(role, { width = 1280, height = 900, scheme = 'light' } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: scheme, ignoreHTTPSErrors: true,
    clientCertificates: [{ origin: url, certPath: join(pki, `${role}.pem`), keyPath: join(pki, `${role}-key.pem`) }],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(10000);
  page.complaints = [];
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && page.complaints.push(m.text()));
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  page.on('request', (r) => r.url().startsWith(url) || r.url().startsWith('data:') || page.complaints.push(`asks elsewhere: ${r.url()}`));
  await page.goto(url);
  await page.locator('[data-process="vtpm"] [data-state="running"]').waitFor({ timeout: 20000 });
  return page;
}

async function close(page, name) {
  await check(`${name}: the browser has nothing to complain of`, async () =>
    expect(page.complaints.length === 0, page.complaints.join('; ')));
  await page.context().close();
}

async function accessible(page, name) {
  await check(`${name}: accessible`, async () => {
    const found = await page.evaluate(async () => {
      return (await window.axe.run(document)).violations.filter((v) => ['serious', 'critical'].includes(v.impact))
        .map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).slice(0, 3).join(', ')}`);
    });
    expect(found.length === 0, found.join('; '));
  });
}

// The page's policy forbids what it would be loaded by: it comes through the debugger.
async function loadAxe(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axe });
}

const view = (page, name) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click();

async function noSidewaysScroll(page, name) {
  await check(`${name}: nothing is wider than the screen`, async () => {
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(over <= 0, `${over} pixels`);
  });
}

// --- an operator, on a wide screen ---

const page = await open('operator');
await loadAxe(page);
await check('the tree has all processes', async () => {
  const names = await page.locator('[data-process]').evaluateAll((rows) => rows.map((r) => r.dataset.process));
  expect(names.join(' ') === 'init supervisor chipset vtpm vmbus storage net diag', names.join(' '));
});
await check('it says who asks', async () => expect((await page.locator('#who').textContent()).startsWith('operator (operator)'), 'who'));
await check('a process says what it may touch, and why', async () => {
  await page.getByRole('button', { name: 'net', exact: true }).click();
  const text = await page.locator('#detail-net').innerText();
  expect(text.includes('guest memory, read and write: rings, buffers, frames'), text);
  expect(text.includes('seccomp'), text);
});
await check('charts draw what happens', async () => {
  await page.waitForFunction(() => [...document.querySelectorAll('.chart')].filter((c) => /[0-9]/.test(c.querySelector('ul').textContent) &&
    c.querySelectorAll('path').length > 0 && [...c.querySelectorAll('path')].some((p) => (p.getAttribute('d').match(/L/g) || []).length > 1)).length >= 8, null, { timeout: 30000 });
});
await page.screenshot({ path: join(out, 'wide-light.png'), fullPage: true });
await accessible(page, 'processes');

await check('a killed worker shows within a second', async () => {
  const before = Number(await page.locator('[data-process="vtpm"] [data-restarts]').getAttribute('data-restarts'));
  const at = Date.now();
  execFileSync(process.env.KILL, ['vtpm']);
  const killed = Date.now();
  await page.waitForFunction((n) => Number(document.querySelector('[data-process="vtpm"] [data-restarts]').dataset.restarts) > n, before, { timeout: 5000, polling: 20 });
  console.log(`# shown ${Date.now() - killed} ms after the kill, which took ${killed - at} ms`);
  expect(Date.now() - killed < 1000 * Number(process.env.PATIENCE || 1), `${Date.now() - killed} ms`);
});
await check('an operator restarts by click', async () => {
  const generation = async () => Number(await page.locator('[data-process="net"] td').nth(1).textContent());
  const before = await generation();
  await page.locator('#detail-net').getByRole('button', { name: 'Restart' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
  await page.getByText('net: replaced').waitFor({ timeout: 15000 });
  await page.waitForFunction((n) => Number(document.querySelector('[data-process="net"]').children[2].textContent) > n, before, { timeout: 10000 });
});
await check('a change of mind restarts nothing', async () => {
  const asked = [];
  page.on('request', (r) => r.method() === 'POST' && asked.push(r.url()));
  await page.locator('#detail-net').getByRole('button', { name: 'Restart' }).click();
  await page.keyboard.press('Escape');
  await page.locator('#detail-net').getByRole('button', { name: 'Restart' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  expect(asked.length === 0, asked.join());
});

for (const state of ['parked', 'dead']) {
  await check(`one that is ${state} is revived, not restarted`, async () => {
    await page.route('**/v1/processes', async (route) => {
      const answer = await route.fetch();
      const processes = await answer.json();
      processes.find((p) => p.name === 'net').state = state;
      await route.fulfill({ response: answer, json: processes });
    });
    await page.locator(`[data-process="net"] [data-state="${state}"]`).waitFor({ timeout: 10000 });
    const [revive, restart] = await Promise.all(['Revive', 'Restart'].map((name) => page.locator('#detail-net').getByRole('button', { name }).isEnabled()));
    await page.unroute('**/v1/processes');
    expect(revive && !restart, `Revive: ${revive}, Restart: ${restart}`);
  });
}
await page.locator('[data-process="net"] [data-state="running"]').waitFor({ timeout: 10000 });

await view(page, 'Inspect');
await check('the tree of values is filtered', async () => {
  await page.locator('#tree details').first().waitFor({ timeout: 10000 });
  await page.getByLabel('Filter', { exact: true }).first().fill('crb commands');
  await page.waitForFunction(() => /^\d of /.test(document.querySelector('#inspect-count').textContent));
  const text = await page.locator('#tree').innerText();
  expect(text.includes('commands') && !text.includes('nic0'), text);
});
await check('values are live', async () => {
  const before = await page.locator('#tree').innerText();
  await page.waitForFunction((text) => document.querySelector('#tree').innerText !== text, before, { timeout: 10000 });
});
await page.getByLabel('Filter', { exact: true }).first().fill('');
await page.waitForTimeout(300);
await page.screenshot({ path: join(out, 'inspect.png') });
await accessible(page, 'inspect');

await view(page, 'Logs');
await check('logs come, and go on coming', async () => {
  await page.locator('#lines li', { hasText: 'verified' }).first().waitFor({ timeout: 10000 });
  const before = await page.locator('#lines li').count();
  execFileSync(process.env.KILL, ['vtpm']);
  await page.waitForFunction((n) => document.querySelectorAll('#lines li').length > n, before, { timeout: 10000 });
});
await check('logs are of one process, and of one level', async () => {
  await page.getByLabel('Level').selectOption('warn');
  await page.waitForFunction(() => ![...document.querySelectorAll('#lines li')].some((l) => l.textContent.includes('verified')));
  await page.getByLabel('Level').selectOption('info');
});
await page.screenshot({ path: join(out, 'logs.png') });
await accessible(page, 'logs');

await view(page, 'Crashes');
await check('the last crash is told', async () => {
  await page.locator('.crash').first().waitFor({ timeout: 10000 });
  const text = await page.locator('.crash').first().innerText();
  expect(text.startsWith('vtpm:') && /Generation \d+ served/.test(text) && /signal 9/.test(text), text);
});
await page.screenshot({ path: join(out, 'crashes.png'), fullPage: true });
await accessible(page, 'crashes');

await check('it is used by keyboard alone', async () => {
  await view(page, 'Processes');
  await page.getByRole('button', { name: 'vtpm', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.locator('#detail-vtpm').getByText('TPM buffer').waitFor({ timeout: 3000 });
  expect(await page.evaluate(() => document.activeElement.textContent) === 'vtpm', 'the focus is lost');
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement.textContent) === 'Restart', 'Tab does not come to what may be done');
  await page.waitForTimeout(6000); // the list is made anew meanwhile
  expect(await page.evaluate(() => document.activeElement.textContent) === 'Restart', 'the focus does not stay');
});
await check('after a reset the events of the next VM come, each once', async () => {
  const lives = [['2026-01-01T00:00', 5], ['2026-01-01T00:01', 2]];
  let connections = 0;
  await page.route('**/v1/events', async (route) => {
    const [minute, n] = lives[Math.min(connections++, 1)];
    const events = Array.from({ length: n }, (_, i) => ({ seq: i + 1, time: `${minute}:0${i}.000Z`, event: 'running', process: 'net' }));
    await route.fulfill({ contentType: 'text/event-stream', body: `retry: 100\n\n${events.map((e) => `data: ${JSON.stringify(e)}\n\n`).join('')}` });
  });
  await page.reload();
  for (let i = 0; i < 100 && connections < 5; i++) await page.waitForTimeout(100);
  const times = await page.locator('#events time').evaluateAll((all) => all.map((t) => t.dateTime.slice(14, 19)));
  expect(times.join() === '01:01,01:00,00:04,00:03,00:02,00:01,00:00', times.join());
});
await close(page, 'operator');

// --- a viewer, on a telephone in the dark ---

const phone = await open('viewer', { width: 360, height: 780, scheme: 'dark' });
await loadAxe(phone);
await check('a viewer is not offered a restart', async () => {
  await phone.getByRole('button', { name: 'net', exact: true }).click();
  const button = phone.locator('#detail-net').getByRole('button', { name: 'Restart' });
  expect(await button.isDisabled(), 'it is');
  expect((await phone.locator('#detail-net').innerText()).includes('takes the role operator'), 'nor told why');
});
await check('a viewer who asks all the same is refused', async () => {
  const status = await phone.evaluate(async () => (await fetch('/v1/processes/net/restart', { method: 'POST' })).status);
  expect(status === 403, `status ${status}`);
  phone.complaints = phone.complaints.filter((text) => !text.includes('403'));
});
await phone.waitForTimeout(5000);
await phone.screenshot({ path: join(out, 'phone-dark.png'), fullPage: true });
await noSidewaysScroll(phone, 'processes');
await accessible(phone, 'phone');
for (const name of ['Inspect', 'Logs', 'Crashes']) {
  await view(phone, name);
  await phone.waitForTimeout(600);
  await noSidewaysScroll(phone, name.toLowerCase());
}
await check('a viewer is told why there are no logs', async () => {
  await view(phone, 'Logs');
  await phone.getByText('logs take the role operator').waitFor({ timeout: 3000 });
});
await close(phone, 'viewer');

await browser.close();
process.exit(failed);

// Choices in a real Chromium: Bernard opts back in by phone through a caseworker, Maya opts out online
// while a member of staff has her record open. One JSON line a check on standard output.
//
// node choices.cjs BASE_URL CHROMIUM [SCREENSHOT_FOLDER]
'use strict'
const path = require('node:path')
const fs = require('node:fs')
const { chromium } = require('playwright-core')
const axeSource = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const [base, executablePath, shots] = process.argv.slice(2)
let failed = 0
function check (name, ok, why = '') {
  if (!ok) failed += 1
  console.log(JSON.stringify({ check: name, ok: Boolean(ok), why: String(why).slice(0, 1500) }))
}

async function look (page, name) {
  for (const width of [1280, 320]) {
    await page.setViewportSize({ width, height: 900 })
    await page.evaluate(axeSource)
    const seen = await page.evaluate(async () => {
      const result = await window.axe.run(document, {
        runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
      })
      const limit = window.innerWidth
      return {
        violations: result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | ')),
        h1: document.querySelectorAll('h1').length,
        levels: [...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1])),
        wide: document.documentElement.scrollWidth,
        limit,
        culprits: [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > limit + 1).slice(0, 4).map(e => e.tagName + '.' + e.className),
        title: document.title
      }
    })
    const at = name + ' at ' + width
    check('axe ' + at, seen.violations.length === 0, seen.violations.join('; '))
    check('one h1 on ' + at, seen.h1 === 1, seen.h1)
    check('no heading level is skipped on ' + at, !seen.levels.some((level, place) => place > 0 && level > seen.levels[place - 1] + 1), seen.levels.join(','))
    check('no sideways scroll on ' + at, seen.wide <= seen.limit, seen.wide + ' ' + seen.culprits.join('; '))
    check('no name in the title or address of ' + at, !/Bernard|Whitlock|Maya|Patel|999/.test(seen.title + new URL(page.url()).pathname), seen.title + page.url())
    if (shots) await page.screenshot({ path: path.join(shots, 'choices-' + name.replace(/[^a-z0-9]+/gi, '-') + '-' + width + '.png'), fullPage: true })
  }
  await page.setViewportSize({ width: 1280, height: 900 })
}

async function signIn (browser, user, start, scripts = true) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, javaScriptEnabled: scripts })
  const page = await context.newPage()
  await page.goto(base + start)
  await page.locator('a:has-text("Continue")').first().click()
  await page.locator(`button[name="user"][value="${user}"]`).click()
  return page
}

const press = (page, words) => page.locator(`main button:has-text("${words}"), main a.nhsuk-button:has-text("${words}")`).first().click()
const task = (page, words) => page.locator(`.nhsuk-task-list a:has-text("${words}")`).click()

async function bernard (browser) {
  const page = await signIn(browser, 'ig-officer', '/staff/login')
  await page.goto(base + '/ig/choices')
  await look(page, 'list')
  await press(page, 'Record a choice')
  await press(page, 'Save and continue')
  check('how it reached us is asked for', (await page.title()).startsWith('Error: '), await page.title())
  await look(page, 'received with an error')
  await page.check('#channel-telephone')
  await press(page, 'Save and continue')
  await look(page, 'case at the start')
  await task(page, '2. Who is it about?')
  await look(page, 'person')
  await page.fill('#nhs-number', '999 000 0026')
  await press(page, 'Find')
  check('Bernard is found', (await page.content()).includes('WHITLOCK, Bernard'), page.url())
  await look(page, 'person found')
  await press(page, 'This is the person')
  await task(page, '3. Identity check')
  await look(page, 'identity')
  await page.check('#method-script')
  for (const fact of ['name', 'born', 'address']) await page.check('#matched-' + fact)
  await page.check('#result-passed')
  await press(page, 'Save and continue')
  await task(page, '4. Acting for someone?')
  await look(page, 'acting')
  await page.check('#set-by-self')
  await press(page, 'Save and continue')
  await task(page, '5. The choice')
  await look(page, 'choice')
  await page.check('#what-share')
  await press(page, 'Save and continue')
  await task(page, '6. Explained')
  await look(page, 'explained')
  await page.check('#effects-yes'); await page.check('#options-yes'); await page.check('#confirm-letter'); await page.check('#format-large-print')
  await press(page, 'Save and continue')
  await task(page, '7. Check and confirm')
  await look(page, 'check and confirm')
  const rows = await page.locator('table.cc-sees tbody tr').count()
  check('the simulator shows who will see what', rows > 15, rows)
  await press(page, 'Confirm the choice')
  check('there is a reference to read out', (await page.content()).includes('Reference to read out'), page.url())
  await look(page, 'case confirmed')
  const letter = await page.request.get(base + await page.locator('a:has-text("large print (PDF)")').nth(1).getAttribute('href'))
  check('the letter is a PDF', letter.headers()['content-type'] === 'application/pdf' && (await letter.body()).subarray(0, 5).toString() === '%PDF-', letter.status())
  if (shots) fs.writeFileSync(path.join(shots, 'letter-back-large.pdf'), await letter.body())
  await press(page, 'Mark as sent')
  await press(page, 'Close the case')
  check('the case is closed', page.url().includes('/ig/choices?done=closed'), page.url())
  await page.goto(base + '/ig/choices?state=closed')
  await page.locator('td a').first().click()
  await look(page, 'case closed')
  const gp = await signIn(browser, 'gp', '/staff/login')
  await gp.fill('#nhs-number', '999 000 0026')
  await press(gp, 'Find')
  await gp.check('#reason-permission-today')
  await press(gp, 'Open record')
  check('the GP opens his record again', /\/staff\/record\/.*\/summary$/.test(gp.url()), gp.url())
}

async function maya (browser) {
  const gp = await signIn(browser, 'gp', '/staff/login')
  await gp.fill('#nhs-number', '999 000 0131')
  await press(gp, 'Find')
  await gp.check('#reason-permission-today')
  await press(gp, 'Open record')
  const open = gp.url()
  check('the GP has her record open', /\/summary$/.test(open), open)
  // Without JavaScript, from the public page on.
  const page = await signIn(browser, 'patient', '/me/login')
  await page.goto(base + '/choices/connect-care')
  await press(page, 'Start now')
  await page.check('#answer-me'); await press(page, 'Continue')
  await page.check('#answer-private'); await press(page, 'Continue')
  await look(page, 'private')
  await press(page, 'Continue')
  await look(page, 'private with an error')
  await page.locator('a:has-text("Back")').first().click()
  await page.check('#answer-not-share'); await press(page, 'Continue')
  await page.check('#answer-no'); await press(page, 'Continue')
  await page.check('#confirm-letter'); await press(page, 'Continue')
  await page.locator('summary').click()
  await look(page, 'check your answers')
  await press(page, 'Confirm my choice')
  // The refusal itself, without the time a page takes to draw.
  const saved = Date.now()
  const refused = await gp.request.get(open, { maxRedirects: 0 })
  const took = Date.now() - saved
  check('the next request is refused', refused.status() === 303, refused.status())
  await gp.goto(open)
  check('the open record is closed at the next page', gp.url().includes('notice=ended'), gp.url())
  check('within a second', took < 1000, took + ' ms')
  await look(page, 'done')
  const letter = await page.request.get(base + '/me/choices/letter/large-print')
  check('her letter is a PDF', letter.headers()['content-type'] === 'application/pdf', letter.status())
  if (shots) fs.writeFileSync(path.join(shots, 'letter-made-large.pdf'), await letter.body())
  await page.goto(base + '/me/choices')
  await look(page, 'your choices')
}

async function main () {
  const browser = await chromium.launch({
    executablePath,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-default-apps', '--no-default-browser-check']
  })
  await maya(browser)
  await bernard(browser)
  await browser.close()
}

main().catch(why => { check('the journey ran to its end', false, why.stack || why) }).finally(() => { process.exitCode = failed ? 1 : 0 })

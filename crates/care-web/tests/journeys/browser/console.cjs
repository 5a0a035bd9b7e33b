// Looks at every page of the governance console in a real Chromium. One JSON line a check on standard
// output: {"check": "...", "ok": true|false, "why": "..."}. Exit 0 when every check passed.
//
// node console.cjs CONNECT_CARE_URL CHROMIUM [SCREENSHOT_FOLDER]
'use strict'
const path = require('node:path')
const fs = require('node:fs')
const { chromium } = require('playwright-core')
const axeSource = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const [care, executablePath, shots] = process.argv.slice(2)
let failed = 0
function check (name, ok, why = '') {
  if (!ok) failed += 1
  console.log(JSON.stringify({ check: name, ok: Boolean(ok), why: String(why).slice(0, 1500) }))
}

async function look (page, name) {
  check('no person in the address of ' + name, !/\d{10}|adeyemi|patel/i.test(page.url()), page.url())
  const seen = await page.evaluate(() => ({
    h1: document.querySelectorAll('h1').length,
    levels: [...document.querySelectorAll('h1,h2,h3,h4')].filter(h => h.offsetParent).map(h => Number(h.tagName[1])),
    title: document.title
  }))
  check('one h1 on ' + name, seen.h1 === 1, seen.h1)
  check('title of ' + name, !/adeyemi|patel|\d{10}/i.test(seen.title) && seen.title.includes('–'), seen.title)
  check('headings of ' + name, seen.levels.every((level, at) => at === 0 || level <= seen.levels[at - 1] + 1), seen.levels)
  await page.evaluate(axeSource)
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, {
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
    })
    return result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | '))
  })
  check('axe ' + name, found.length === 0, found.join('; '))
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 900 })
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    check(`${name} fits ${width} pixels`, wide <= width, wide)
    if (shots) await page.screenshot({ path: path.join(shots, `${name.replace(/\W+/g, '-')}-${width}.png`), fullPage: true })
  }
}

// Without the pages' own scripts; axe is put in from outside.
async function signedIn (browser, user) {
  const context = await browser.newContext({ bypassCSP: true })
  await context.route('**/*.js', route => route.abort())
  const page = await context.newPage()
  await page.goto(care + '/staff/login/start')
  await page.click(`button[value="${user}"]`)
  return page
}

async function main () {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const page = await signedIn(browser, 'privacy-officer')
    const visit = async (address, name) => {
      const answer = await page.goto(care + address)
      check(name + ' answers', answer.status() === 200, answer.status())
      await look(page, name)
    }
    await visit('/ig', 'ig home')
    await visit('/ig/review', 'ig review')
    await visit('/ig/review?kind=self-reported', 'ig review without rows')
    await page.goto(care + '/ig/review?kind=flags')
    const one = await page.getAttribute('a[href^="/ig/review/"]', 'href')
    await visit(one, 'ig one review')
    await visit('/ig/audit', 'ig audit')
    await page.fill('#nhs-number', '999 000 0034')
    await page.click('text=Show this person')
    await page.waitForURL(/person=/)
    await page.waitForLoadState()
    await look(page, 'ig audit of a person')
    await page.click('text=Person access report')
    await page.waitForURL(/access-report/)
    await page.waitForLoadState()
    await look(page, 'ig person report')
    await visit('/ig/staff/privacy-officer', 'ig staff user')
    await visit('/ig/seals', 'ig seals')
    await visit('/ig/reports', 'ig reports')
    await visit('/ig/disclosures?state=all', 'ig disclosures')
    const disclosure = await page.getAttribute('a[href^="/ig/disclosures/"]:not([href$="new"])', 'href')
    await visit(disclosure, 'ig disclosure')
    await visit('/ig/disclosures/new', 'ig new disclosure')
    await page.click('text=Open the case')
    await page.waitForSelector('.nhsuk-error-summary')
    await look(page, 'ig new disclosure with an error')
    await visit('/staff/questions', 'questions')
    const nurse = await signedIn(browser, 'hospital-nurse')
    const refused = await nurse.goto(care + '/ig/review')
    check('a nurse is refused', refused.status() === 403, refused.status())
    const menu = await nurse.textContent('body')
    check('a nurse sees no console', !menu.includes('Governance'))
  } finally {
    await browser.close()
  }
}

main().catch(error => { check('the script runs', false, error.stack) }).finally(() => process.exit(failed ? 1 : 0))

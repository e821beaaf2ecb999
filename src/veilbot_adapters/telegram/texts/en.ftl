# Customers, in English. HTML as Telegram understands it; arguments are escaped by texts.py.

## Words that other texts use

days = { $n ->
    [one] { $n } day
   *[other] { $n } days
}
devices = { $n ->
    [one] { $n } device
   *[other] { $n } devices
}
gigabytes = { $n } GB
megabytes = { $n } MB
unlimited = unlimited traffic
forever = no end date

## Buttons

button-buy = 🚀 Buy access
button-keys = 🔑 My keys
button-help = ❓ Help
button-language = 🌍 Language
button-menu = « Menu
button-back = ‹ Back
button-pay = 💳 Pay { $price }
button-tariff = { $name } · { $price }
button-renew = 🔄 Renew
button-renew-one = 🔄 Renew { $name } (until { $day })
button-another = ➕ Buy another key
button-qr = 🔳 QR code
button-rotate = ♻️ New link
button-rotate-yes = ♻️ Yes, replace the link
button-rotate-no = No, keep it
button-connect = 📱 How to connect
button-holding = { $name } · { $state }
button-ios = 🍏 iPhone, iPad
button-android = 🤖 Android
button-windows = 🪟 Windows
button-macos = 💻 Mac
button-linux = 🐧 Linux

## Commands, as Telegram's menu shows them

command-start = Main menu
command-buy = Buy access
command-keys = My keys
command-help = How to connect
command-language = Language

## Screens

start = Hello, <b>{ $name }</b>! 👋

    Here you get a fast, private VPN in about a minute: choose a plan, pay, and your key comes right into this chat.
start-nameless = Hello! 👋

    Here you get a fast, private VPN in about a minute: choose a plan, pay, and your key comes right into this chat.
hint = I only understand the buttons and the commands in the menu. Here they are:
tariffs = <b>Choose a plan</b>

    { $list }
tariff = • <b>{ $name }</b>: { $price }
    { $days }, { $traffic }
tariff-devices = • <b>{ $name }</b>: { $price }
    { $days }, { $traffic }, { $devices }
tariffs-none = Nothing is on sale at the moment. Please look in again a little later.
live = You already have access:

    { $list }

    Renewing adds days to the key that you have. Nothing changes in your app.
live-one = • <b>{ $name }</b>, until { $until }
renew = <b>Renew { $name }</b>
    Now until { $until }.

    The days are added to what you have, and your key stays the same.

    { $list }
countries = <b>{ $name }</b>

    Where should your server be?
pay = <b>{ $name }</b>
    { $days }, { $traffic }
    { $where }

    To pay: <b>{ $price }</b>

    1. Tap the button and pay on the secure page.
    2. Come back: your key arrives in this chat by itself, usually within a minute.

    The payment page is open until { $until }.
pay-renewal = <b>Renew { $name }</b>
    { $days }, { $traffic }

    To pay: <b>{ $price }</b>

    1. Tap the button and pay on the secure page.
    2. The days are added by themselves; your key stays the same.

    The payment page is open until { $until }.
bill-paid = ✅ <b>{ $tariff }</b>: your payment is here, there is nothing more to pay.
bill-waiting = No payment has arrived yet. After you have paid, it can take a minute.
bill-closed = ⌛ <b>{ $tariff }</b>: nothing was paid, and this payment page is closed. Choose again whenever you like.
button-paid = ✔️ I have paid
pay-where = Server: { $country }
pay-anywhere = Server: the best one that is free
keys-none = You have no key yet. It takes about a minute to get one.
keys = <b>Your keys</b>

    Choose one:
holding = <b>{ $name }</b>
    { $state }
    { $traffic }
state-active = ✅ Until { $until } ({ $left })
state-vip = ✅ Without an end
state-grace = ⚠️ Ended on { $until }. The key still works for a little while: renew it now.
state-expired = ⛔ Ended on { $until }. Renew it and the same link works again.
state-frozen = ⏸ Paused: the payment is disputed. Write to support if this is a mistake.
short-active = until { $day }
short-vip = no end
short-ended = ended
short-frozen = paused
traffic-counted = Traffic: { $used } of { $limit }
traffic-about = Traffic: about { $used } of { $limit }
traffic-unused = Traffic: { $limit }, nothing used yet
traffic-used = Traffic: { $used } used
traffic-unlimited = Traffic: unlimited
left-days = { $n ->
    [one] { $n } day left
   *[other] { $n } days left
}
left-hours = { $n ->
    [one] { $n } hour left
   *[other] { $n } hours left
}
left-minutes = less than an hour left
keys-label = <b>Your key</b> (tap to copy):
key = { $where }
    <code>{ $url }</code>
keys-coming = ⏳ Your key is being made. It comes into this chat by itself.
link-label = <b>Subscription link</b> (always current, keep it to yourself):
    <code>{ $link }</code>
mirrors-label = The same link at other addresses, if that one does not open:
mirror = <code>{ $link }</code>
rotate = <b>Replace the subscription link?</b>

    The old link stops working at once, for everybody who has it. Apps that use it need the new one. Your keys stay as they are.
rotated = ✅ Here is the new link. The old one is dead.
qr-caption = { $where }
    Scan this with the app on your other device.
language = Which language do you prefer?
language-en = 🇬🇧 English
language-ru = 🇷🇺 Русский

## Help

help = <b>How to connect</b>

    It takes two minutes. Which device do you have?
help-support = Stuck? Write to { $support }, a person will help.
help-ios = <b>iPhone and iPad</b>

    1. Install <a href="https://apps.apple.com/app/outline-app/id1356177741">Outline</a> from the App Store.
    2. Copy your key: open “My keys” here and tap it.
    3. Open Outline: it finds the key by itself, or tap “+” and paste it.
    4. Tap “Connect” and allow the VPN profile. Done!
help-android = <b>Android</b>

    1. Install <a href="https://play.google.com/store/apps/details?id=org.outline.android.client">Outline</a> from Google Play.
    2. Copy your key: open “My keys” here and tap it.
    3. Open Outline: it finds the key by itself, or tap “+” and paste it.
    4. Tap “Connect” and allow the connection. Done!
help-windows = <b>Windows</b>

    1. Download <a href="https://getoutline.org/get-started/">Outline Client</a> for Windows and install it.
    2. Copy your key: open “My keys” in Telegram on the computer and click it.
    3. In Outline click “Add server” and paste the key.
    4. Click “Connect”. Done!
help-macos = <b>Mac</b>

    1. Install <a href="https://apps.apple.com/app/outline-secure-internet-access/id1356178125">Outline</a> from the Mac App Store.
    2. Copy your key: open “My keys” in Telegram on the Mac and click it.
    3. In Outline click “Add server” and paste the key.
    4. Click “Connect” and allow the VPN profile. Done!
help-linux = <b>Linux</b>

    1. Download <a href="https://getoutline.org/get-started/">Outline Client</a> for Linux (an AppImage) and make it executable.
    2. Start it and allow it to install its service.
    3. Copy your key: open “My keys” in Telegram on the computer and click it.
    4. In Outline click “Add server”, paste the key and click “Connect”. Done!
help-hiddify = Does your key begin with vless://, vmess:// or trojan://, or does Outline not take it? Then take <a href="https://hiddify.com">Hiddify</a> instead of Outline: copy the key, tap “+” and “Add from clipboard”.

## Messages that come by themselves

ready = 🎉 <b>Thank you! Your access is ready.</b>

    Plan: <b>{ $tariff }</b>
    Valid: { $until }
ready-until = until { $until }
ready-next = <b>What next?</b> Install the Outline app, copy the key, and connect. “How to connect” shows it step by step; the picture is the same key for another device.
ready-next-hiddify = <b>What next?</b> Install <a href="https://hiddify.com">Hiddify</a>, copy the key, tap “+”, “Add from clipboard”, and connect. The picture is the same key for another device.
ready-more = { $n ->
    [one] And one more key of yours:
   *[other] And { $n } more keys of yours:
}
renewed = ✅ <b>Renewed, thank you!</b>

    Plan: <b>{ $tariff }</b>
    Valid: { $until }

    Your link stays the same, and so does your key: should it ever have to change, we write to you. You need to do nothing.
paid = 💚 <b>Your payment is here, thank you!</b>

    The key for “{ $tariff }” is being made and comes into this chat by itself. You need to do nothing.
held = 🔎 <b>Your payment for “{ $tariff }” has arrived, but it needs a look.</b>

    Something about it does not match the order, so a person checks it. The money is not lost: you get your access or the money back.
moved = 🚚 <b>Your key has moved to another server.</b>

    Plan: <b>{ $tariff }</b>

    The old key stops working now: replace it in your app by the one below. Apps that use the subscription link only need to refresh it.
refunded = ↩️ <b>Your money for “{ $tariff }” is on its way back.</b>

    The bank usually shows it within 5 to 10 days.
refund-failed = ⏳ <b>Your money for “{ $tariff }” did not reach you yet:</b> { $money }.

    Your bank did not take it. It is safe with us, and we send it again; if you have another card or account by now, please tell support.
extra = 🔎 <b>One more payment for “{ $tariff }” came in:</b> { $money }.

    That order needed no further money. A person looks at it and sends it back; what you have stays as it is.
some-money = an amount that we check
expiring-3d = ⏰ <b>{ $tariff }</b> ends within 3 days: { $until }.

    Renew it now, and the days are added to what is left.
expiring-1d = ⏰ <b>{ $tariff }</b> ends within a day: { $until }.

    Renew it now, and nothing is interrupted.
expiring-1h = ⏰ <b>{ $tariff }</b> ends within the hour: { $until }.

    Renew it now, and nothing is interrupted.
ended = ⌛ <b>{ $tariff }</b> has ended.

    Renew it soon and the same key simply goes on working. Your link stays the same in any case.

## When something does not work

slow-down = One moment: that was a little fast. Try again in { $n ->
    [one] { $n } second
   *[other] { $n } seconds
}.
blocked = Your access to this shop is closed; what you have paid for stays under “My keys”. If this is a mistake, please write to support.
stale = This button is out of date. Here is where you are:
no-invoice = This invoice is no longer valid. Nothing was charged. Send /buy to get a new one.
unexpected = Sorry, something went wrong on our side. Please try again; if it stays so, tell support this number: <code>{ $reference }</code>
error = Sorry, this did not work. Please try again.
error-invalid-input = That was not quite right. Please choose again.
error-not-found = I cannot find that any more. Please choose again.
error-conflict = Something has changed meanwhile. Please look again.
error-already-exists = This is there already.
error-invalid-transition = This is not possible any more. Please look again.
error-lease-lost = Somebody is already working on this. Please try again in a moment.
error-refused = Sorry, this is not possible.
error-unauthorized = Sorry, you are not allowed to do this.
error-forbidden = Sorry, you are not allowed to do this.
error-rate-limited = That was a little fast. Please wait a moment and try again.
error-user-blocked = Your access to this shop is closed. If this is a mistake, please write to support.
error-network-inside-transaction = Sorry, something went wrong on our side. Please try again.
error-payment-error = Sorry, the payment did not work. Nothing was charged. Please try again.
error-gateway-off = Payment is not available right now. Nothing was charged. Please try again later.
error-invalid-signature = Sorry, the payment could not be verified. Please write to support.
error-malformed-event = Sorry, the payment could not be read. Please write to support.
error-tariff-unavailable = This plan is not on sale any more. Please choose another one.
error-vpn-error = Sorry, something about the access did not work. Please try again.
error-protocol-off = This kind of access is not available right now. Please choose another plan.
error-no-capacity = All places are taken right now, so I do not take your money. Please try another country or plan, or come back a little later.
error-port-error = Something outside did not answer. Please try again in a minute.
error-unavailable = The payment page or a server does not answer right now. Nothing was charged. Please try again in a minute.
error-rejected = This does not work right now, and we have to mend it. Nothing was charged. Please try again later or write to support.
error-unknown = The answer got lost on the way. Please try again: you never pay twice for the same order.

## Operators

alert-order-held = 🟠 <b>An order is held.</b> Its money came in, but a person must decide.
alert-order-waiting = 🟠 <b>What was paid for waits for a free place.</b> The customer was told that the key is coming.
alert-payment-held = 🟠 <b>Money came in that no order waits for.</b> Nothing was granted for it.
alert-payment-refund-failed = 🟠 <b>A refund did not reach the customer.</b> The money is with us again, and the customer knows.
alert-payment-disputed = 🔴 <b>A payment is disputed.</b> The subscription is paused.
alert-payment-inquiry = 🟠 <b>A bank asks about a payment.</b> No money moved, and nothing was paused.
alert-key-refused = 🟠 <b>A server refuses a key.</b> Trying again will not help.
alert-server-down = 🔴 <b>A server does not answer.</b> It gets no new keys until it does; orders wait or go elsewhere.
alert-server-up = 🟢 <b>A server answers again.</b> Waiting keys are being made; nothing is left to do.
alert-keys-stay = 🟠 <b>Keys stay on a server that was to be emptied.</b> Nothing that suits them is free elsewhere; they work as before.
alert-job-dead = 🔴 <b>Work failed too often and stands still.</b>
alert-job-stuck = 🟠 <b>Work hangs, or ends with its process, again and again.</b> It is tried on; once what it waits for answers, it goes through by itself. If not, the log says what it does last.
alert-settle-trouble = 🟠 <b>A provider told something that could not be read or booked.</b> Everything else was booked.
alert-failing = 🔴 <b>Work that the shop does regularly fails again and again.</b>
alert-other = 🟠 <b>{ $code }</b> needs a person.
alert-customer = Customer: { $customer }
alert-order = Order: <code>{ $order }</code>, “{ $tariff }”
alert-tariff = Plan: “{ $tariff }”
alert-payment = Payment at the provider: <code>{ $payment }</code>
alert-money = Amount: { $money }
alert-server = Server: { $server }
alert-work = Work: { $work }
alert-reason = Why: { $reason }
alert-since = Since: { $since }
alert-subject = About: <code>{ $subject }</code>
do-approve = Grant it: <code>veilbot order retry { $order }</code>
    Or send the money back: <code>veilbot order refund { $order }</code>
do-refund = Send the money back: <code>veilbot order refund { $order }</code>
do-refund-there = Find it at the provider and send it back there.
do-add-server = Give it a place: <code>veilbot server add</code>, or <code>veilbot server resize</code> where there is room
do-move-again = Then go on: <code>veilbot server move { $server }</code>
do-answer-dispute = Answer the dispute at the provider before its deadline; the subscription goes on if it is won.
do-answer-inquiry = Answer it at the provider before its deadline, or send the money back: otherwise it can become a dispute.
do-mend-server = Mend the server, then: <code>veilbot reconcile</code>
do-watch-server = Look: <code>veilbot server show { $server }</code>
do-retry-job = Mend the cause, then: <code>veilbot job retry { $job }</code>
do-list-jobs = Look: <code>veilbot job list</code>
do-settle = See which: <code>veilbot settle --since 24h</code>
do-read-log = The log says why.

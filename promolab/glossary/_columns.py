"""Columns: what each of them means.

A line is name | label | unit | meaning, and an indented line goes on with the one above: pages like
these are easier to read and keep than two hundred calls.
"""

KEYS = """
customer_id | customer | id | The customer, by the shop's own id.
promotion_id | promotion | id | The promotion, by the shop's own id.
as_of | as of | time, UTC | The moment up to which everything was known; nothing at or after it is
    used.
starts_at | start | time, UTC | First moment at which the promotion is valid.
ends_at | end | time, UTC | First moment at which the promotion is no longer valid.
"""

FEATURES = """
recency_days | days since the last order | days | Time since the last order that was kept (not
    wholly returned or cancelled); null without one.
orders | orders | orders | Orders before, less those wholly returned or cancelled by then. Lines
    of one order id are one order; without an order id, lines of the same moment are.
amount | sales | money | What the shop took in, less what was returned or cancelled by then.
discount | discount received | money | Discounts of all kinds, less those on what came back.
discount_share | share of discounts | share, 0–1 | Discount ÷ (sales + discount); null where
    nothing was spent.
items | items | units | Units bought less units returned; lines in odd units (such as fuel) and
    lines without quantity or amount do not count.
products | different products | products | Different products ever bought before.
categories | different categories | categories | Different categories ever bought from before.
stores | different stores | stores | Different stores ever bought at before.
tenure_days | days as a customer | days | Time since the first event of any kind.
days_between_orders | days between orders | days | Mean time from one kept order to the next; null
    with fewer than two.
orders_28d | orders in the last 28 days | orders | Kept orders placed in the last 28 days.
amount_28d | sales in the last 28 days | money | Net sales of the orders placed in the last 28
    days.
orders_84d | orders in the last 84 days | orders | Kept orders placed in the last 84 days.
amount_84d | sales in the last 84 days | money | Net sales of the orders placed in the last 84
    days.
amount_trend | trend of sales | share | Sales of the last 28 days ÷ a third of those of the last
    84, less 1: 0.5 is half as much again as usual; null without sales in the 84 days.
average_order_amount | average order | money per order | Sales ÷ orders; null without an order.
largest_order | largest order | money | Net sales of the largest kept order before; null without
    one.
average_item_price | average price of an item | money per unit | Net sales ÷ net units of the
    lines that count as items; null without any.
price_level | price level | share, 0–1 | Mean percentile of the unit prices paid within their
    category: the share of the category's purchase lines by all customers before that cost less,
    plus half of those that cost the same. Near 1 picks the dearest products, 0.5 the middle.
private_label_share | share of own brands | share, 0–1 | Share of net sales, over categories with
    positive net sales, that went to the shop's own brands.
category_entropy | spread over categories | nats | Entropy −Σ p ln p of the shares p of net sales
    by category: 0 is a single category, ln k is k categories in equal parts.
top_category | favourite category | category | The category with the largest net sales; of equal
    ones the first by name; null without one.
weekend_share | weekend orders | share of orders, 0–1 | Share of kept orders placed on a Saturday
    or Sunday, shop time.
evening_share | evening orders | share of orders, 0–1 | Share of kept orders placed from the
    shop's evening hour (17, unless it says otherwise) to midnight, shop time, among those with a
    time of day: exactly midnight stands for a date alone. Null without any.
hour_of_day | usual hour | hour, 0–24 | Circular mean of the shop time of kept orders, to the
    minute: 23 and 1 give 0, not 12; null where hours cancel out, or no order has a time of day.
coupon_orders | orders with a coupon | orders | Kept orders in which a coupon took something off.
coupon_order_share | share of orders with a coupon | share of orders, 0–1 | Orders with a coupon ÷
    orders; null without an order.
contacts | contacts | contacts | Contacts for promotions before; a contact counts from its
    promotion's start, if that is later.
contacts_28d | contacts in the last 28 days | contacts | Contacts counted in the last 28 days.
responses | promotions answered | promotions | Promotions that the customer clicked, claimed,
    redeemed, bought from or shared before.
answers | answers to promotions | answers | Clicks, claims, redemptions, purchases and shares in
    answer to promotions before, each counted: five coupons redeemed are five.
response_rate | answer rate | share, 0–1 | (Promotions answered, if only by a click, + 2 × the
    shop's own rate by then) ÷ (contacts + 2), at most 1: someone never contacted starts at the
    shop's rate.
days_since_response | days since the last answer | days | Time since the last answer to a
    promotion; null without one.
views_28d | views in the last 28 days | events | Product pages viewed in the last 28 days.
clicks_28d | clicks in the last 28 days | events | Clicks in the last 28 days.
carts_28d | cart additions in the last 28 days | events | Products put into the cart in the last
    28 days.
view_to_purchase_rate | purchases per view | ratio | Purchase lines ÷ views, ever; null without a
    view.
"""

PAIRS = """
promotion_kind | kind of promotion | kind | Coupon, recommendation, limited-time discount or full
    reduction.
promotion_type | type of promotion | type | The shop's own class of promotion.
promotion_days | length of the promotion | days | From its start to its end.
promotion_discount_rate | rate of discount | share, 0–1 | Share taken off the price.
promotion_threshold | spend at least | money | What an order must reach before the reduction
    holds.
promotion_reduction | reduction | money | What is taken off an order that reaches the threshold.
promotion_products | products in the promotion | products | Different products that the promotion
    is valid for.
promotion_products_bought | its products bought before | products | Different products of this
    promotion ever bought before.
promotion_bought_share | share of its products bought before | share, 0–1 | Of the promotion's
    products, the share ever bought before; null where none are listed.
promotion_amount | past spend on its products | money | Purchases of this promotion's products
    before.
promotion_amount_84d | spend on its products in the last 84 days | money | Purchases of this
    promotion's products in the last 84 days.
promotion_orders | past purchases of its products | purchases | Different moments at which this
    promotion's products were bought before.
promotion_orders_84d | purchases of its products in the last 84 days | purchases | The same, in
    the last 84 days.
promotion_coupon_orders | past purchases of its products with a coupon | purchases | Different
    moments at which its products were bought with a coupon before.
promotion_lines_28d | lines of its products in the last 28 days | lines | Purchases of this
    promotion's products in the last 28 days, each product counted once at each moment.
promotion_coupon_lines_84d | coupon lines of its products in the last 84 days | lines | Of the
    same, in the last 84 days, those from which a coupon took something off.
promotion_category_amount_84d | spend in its categories in the last 84 days | money | Purchases in
    the last 84 days of any product of a category that this promotion has a product of.
kind_contacts | contacts for this kind | contacts | Contacts before for promotions of the same
    kind.
kind_responses | answers to this kind | promotions | Promotions of the same kind answered before.
type_contacts | contacts for this type | contacts | Contacts before for promotions of the same
    type.
type_responses | answers to this type | promotions | Promotions of the same type answered before.
other_promotions_running | other promotions running | promotions | Other promotions that the
    customer was contacted for and that are not over.
other_promotions_answered | running ones already answered | promotions | Of those, the ones
    already answered.
redeemed | redeemed | 0 or 1 | Whether the customer redeemed this promotion within its window; of a
    recommendation, which takes nothing off, whether the customer bought (an outcome).
purchased | bought | 0 or 1 | Whether the customer bought any of this promotion's products within
    its window (an outcome).
label_complete | outcome final | yes or no | Whether the promotion's window was over by the date
    of the table; other outcomes are not used.
"""

PROFILES = """
interests | interests | 0–100 | How broadly and how deeply they buy across the assortment; 50 is
    the middle customer.
interests_breadth | interests: breadth | 0–100 | Rank by the number of categories.
interests_variety | interests: variety | 0–100 | Rank by how evenly purchases spread over
    categories.
interests_depth | interests: depth | 0–100 | Rank by products per category.
interests_browsing | interests: browsing | 0–100 | Rank by views in the last 28 days.
purchasing_power | purchasing power | 0–100 | How much they spend, and how little the price
    matters to them.
purchasing_power_spend | purchasing power: spend | 0–100 | Rank by sales in the last 84 days.
purchasing_power_basket | purchasing power: order size | 0–100 | Rank by the average order.
purchasing_power_item_price | purchasing power: item price | 0–100 | Rank by the average price of
    an item.
purchasing_power_price_level | purchasing power: price level | 0–100 | Rank by the price level
    within categories.
purchasing_power_brands | purchasing power: brands | 0–100 | Rank by how small the share of own
    brands is.
loyalty | loyalty | 0–100 | How recently, how often, how regularly and for how long they have been
    buying.
loyalty_recency | loyalty: recency | 0–100 | Rank by how short ago the last order is.
loyalty_frequency | loyalty: frequency | 0–100 | Rank by orders in the last 84 days.
loyalty_rhythm | loyalty: rhythm | 0–100 | Rank by how few days pass between orders.
loyalty_tenure | loyalty: tenure | 0–100 | Rank by days as a customer.
habits | habits | 0–100 | How much offers, weekends and evenings shape what and when they buy.
habits_coupons | habits: coupons | 0–100 | Rank by the share of orders with a coupon.
habits_discounts | habits: discounts | 0–100 | Rank by the share of discounts.
habits_response | habits: response | 0–100 | Rank by the response rate.
habits_weekends | habits: weekends | 0–100 | Rank by the share of weekend orders.
habits_evenings | habits: evenings | 0–100 | Rank by the share of evening orders.
favourite_category | favourite category | category | The category with the largest net sales.
favourite_categories | favourite categories | categories | The three categories that come first,
    by the share of sales where it is known.
alive | still a customer | chance, 0–1 | Chance that the customer has not left for good, by orders,
    the last of them and the time since the first (BG/NBD, Fader et al. 2005).
usual_days | usual days between orders | days | What the customer's own orders say, drawn towards
    what all customers' do.
away_days | days since the last order | days | Compared with the usual days it says who is late.
away_times | days away, by the own rhythm | times | Days since the last order over the usual days
    between orders: above 1 who is late for once, above 3 who has likely lapsed.
orders_4w | orders of the next 4 weeks | orders | Expected, with a 90 % interval of what will be
    counted.
orders_12w | orders of the next 12 weeks | orders | Expected, with a 90 % interval of what will be
    counted.
orders_52w | orders of the next 52 weeks | orders | Expected, with a 90 % interval of what will be
    counted.
margin_4w | margin of the next 4 weeks | money | Expected orders times what an order of the customer
    brings.
margin_12w | margin of the next 12 weeks | money | Expected orders times what an order of the
    customer brings.
margin_52w | margin of the next 52 weeks | money | Expected orders times what an order of the
    customer brings.
"""

SEGMENTS = """
segment | segment | name | The group of similar customers that this customer is in.
customers | customers | customers | Customers in the segment.
share_customers | share of customers | share, 0–1 | Customers in the segment ÷ all customers.
share_sales | share of sales | share, 0–1 | Sales of the segment's customers ÷ all sales.
sales_per_customer | sales per customer | money | Mean sales of the segment's customers.
so_do_this | so do this | sentence | What to do with a segment, by fixed rules from what its
    customers did; no claim of what acting on it adds.
because | because | figures | The figures that the rule went by, with those of all customers.
signs | signs | words | What sets the segment apart: late, frequent or rare, dear or cheap, many or
    no coupons, answers or silent; each against all customers.
before | segment before | name | The segment in the last good week.
now | segment now | name | The segment this week.
customers_before | customers before | customers | Customers of the segment in the last good week.
stage | stage of life | name | New, returning, lapsed or without history; everybody is in one.
share_sales_28d | share of recent sales | share, 0–1 | Sales of the last 28 days by customers of the
    stage ÷ all sales of these days.
"""

SCORES = """
p_redeemed | chance to redeem | share, 0–1 | Predicted chance that the customer redeems this
    promotion if contacted: a prediction of response, not the effect of contacting.
support | where the score stands | word | "inside" what the model was tested on, "new_customer"
    (never contacted before: nothing was tested on such customers) or "new_promotion" (of a kind
    never seen).
"""

QUARANTINE = """
table | table | name | The table that the row was in.
rule | rule | name | The cleaning rule that the row broke; the first one counts.
row | row | JSON | The row as it stood in the source.
"""

FINANCE = """
state | state | word | "starts" (planned, nothing is given out yet) or "runs" on the day of the
    plan.
paid_by | paid by | shares | Who pays the discount: the shop, or the shop and a supplier in these
    shares.
face_value | face value | terms | What the promotion takes off, as a customer reads it; "not stated"
    where the shop does not say.
customers_contacted | customers contacted | customers | Customers contacted by now, or to contact.
expected_cost_low | expected cost to the shop, low | money | Lower end of its 90 % interval.
expected_cost | expected cost to the shop, middle | money | The shop's part of the discounts,
    handling of coupons and contacts; of what runs, what it has cost by now and the open liability.
expected_cost_high | expected cost to the shop, high | money | Upper end of its 90 % interval.
supplier_pays | to be claimed from suppliers | money | Their part of the discounts expected.
customers_open | coupons open | customers | Customers who were given it, have not answered and still
    can.
open_liability_low | open liability, low | money | Lower end of its 90 % interval.
open_liability | open liability, middle | money | What customers who have not answered yet are
    expected to cost the shop until the promotion ends, as such customers of past ones did.
open_liability_high | open liability, high | money | Upper end of its 90 % interval.
expected_returns | discounts expected back | money | Part of the discounts that comes back with
    returned or cancelled goods, as in the year before; empty where the shop records none.
currency | currency | code | What all amounts are in.
"""

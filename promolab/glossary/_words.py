"""Words of the report: what each of them means; lines as those of the columns."""

WORDS = """
AUC | AUC | 0–1 | The chance that someone who responded has a higher score than someone who did
    not: 0.5 is guessing, 1 is perfect order.
AUC within promotions | AUC within promotions | 0–1 | The AUC of each promotion by itself,
    averaged by its number of pairs: how well customers are ordered, leaving aside which
    promotions do well.
ROC curve | ROC curve | | For every cut of the list: the share of responders that is on it against
    the share of the others that is on it too.
precision and recall | precision and recall | | Of a list cut somewhere: the share of it that
    responded (precision), and the share of all responders that is on it (recall).
average precision | average precision | 0–1 | Precision averaged over all cuts of the list, each
    weighed by the responders it adds: how clean the top is. A list in random order has the share
    of responders.
gain chart | gain chart | | The share of all responders found in the top part of the list, by how
    long that part is.
lift | lift | times | How many times more responders the top part of the list holds than an
    equally long list drawn by chance.
calibration | calibration | | Whether chances come true: of those given 20 %, about 20 % should
    respond.
calibration error | calibration error | share, 0–1 | How far predicted chances are from what
    happened, averaged over ten groups of contacts; chance alone adds to it.
log-loss | log-loss | | How surprised a model is by what happened: less is better, and being sure
    and wrong costs most.
log odds | log odds | | The logarithm of chance ÷ (1 − chance): what features add to one another on
    this scale makes up the score; 0 is 50 %.
permutation importance | permutation importance | | By how much a model gets worse when the values
    of one feature are shuffled among customers, so that they say nothing any more.
partial dependence | partial dependence | | The mean predicted chance if everybody had the same
    value of one feature and kept all others.
stability selection | stability selection | | A feature is kept if a model that may use few picks
    it in most of many halves of the customers, drawn by chance (Meinshausen & Bühlmann 2010).
interval | 95 % interval | | Written [low, high]: a range made such that it holds the true figure
    in 95 of 100 repetitions. Customers, not rows, are taken as independent.
Wilson | Wilson interval | | An interval for a share that stays between 0 and 100 % and holds for
    small numbers (Wilson 1927).
DeLong | DeLong interval | | An interval for the AUC, computed without resampling (DeLong et al.
    1988).
clustered by customer | clustered by customer | | One customer in many rows counts as one: an
    interval that ignores it would be too narrow.
out of time | out of time | | Tested on promotions that started after everything the model learned
    from was over.
backtest | backtest | | A replay: each promotion is predicted by a model that knew only promotions
    over before it started.
silhouette | silhouette | −1 to 1 | How much closer customers are to their own segment than to the
    next one: near 0 segments overlap, near 1 they are far apart.
adjusted Rand index | adjusted Rand index | up to 1 | How much two groupings of the same customers
    agree: 1 is the same groups, 0 no more than chance would give (Hubert & Arabie 1985).
false discovery rate | false discovery rate | share, 0–1 | Of the cells said to stand out, the share
    that may do so by chance alone; kept low although many are compared (Benjamini & Hochberg 1995).
neighbourhood | neighbourhood (eps) | standard deviations | How near another customer must be to
    count as a neighbour, where groups are made of customers who lie close together.
principal component | principal component | | A direction in which customers differ most: several
    features at once, drawn as one axis.
stability | stability | 0–1 | How much segments agree when made again from resampled customers; 1
    is the same segments each time.
drift | drift | | The figures of customers are no longer spread as they were when a model was
    tested: judged by how far they moved, for with many customers every difference is beyond chance.
champion | champion and challenger | | The method that served last week, and the one that this
    week's selection prefers. Both are learned anew on what is known and compared on past promotions
    that neither had seen; the challenger takes over only if it is better beyond noise.
stability index | population stability index | | How far a figure's distribution moved between two
    times, its tenths compared: below 0.1 little, from 0.25 much. What chance alone makes of it is
    taken off.
Kolmogorov–Smirnov distance | distance of two distributions | 0–1 | The largest difference between
    the shares of customers up to any one value, then and now.
descriptive | descriptive | | Describes the data at hand: segments were made from the same data,
    so their differences are no test.
RFM | RFM grid | | Customers by recency (how lately), frequency (how often) and monetary value
    (how much).
k | number of segments | segments | How many segments were made.
new | new | customers | Customers whose first order lies at most 28 days back.
returning | returning | customers | Customers who ordered lately and whose first order is older
    than 28 days; who has ordered only once counts here until lapsed.
lapsed | lapsed | customers | Customers away more than three times as long as is usual for them,
    from 28 days on; where that is not known, so long that 19 in 20 regular ones would have come
    back, in whole weeks (84 days where few are regular).
without history | without history | customers | Customers of whom no order is known.
migration | migration | customers | Where the customers of last good week's segments are now.
far | far from every segment | share, 0–1 | Customers further from every segment than 99 % were
    when the segments were made: many mean that it is time to make them anew.
randomised | randomised | | Who was contacted and who was held back was drawn by chance, so the
    difference is the promotion's effect.
adjusted | adjusted | | Compared with similar customers who were not contacted. What is not in the
    data may still differ: not a proven effect.
not identified | not identified | | The data cannot tell what the promotion itself did, so no
    effect is claimed.
effect | effect | | What contacting adds, compared with not contacting the same customers.
holdout | holdout | customers | Customers left out on purpose, by chance, to see what happens
    without the promotion.
propensity | propensity | share, 0–1 | The chance with which a customer was chosen for an action.
overlap | overlap | | Whether customers who were contacted have their like among those who were
    not.
uplift | uplift | | What contacting a customer adds to what the customer would have done anyway:
    the effect, looked at customer by customer.
uplift curve | uplift curve | | For every length of a list: what contacting that part of it adds,
    per customer of the whole list. A straight line is random order.
Qini | Qini | outcome per decision | How far the uplift curve lies above random order, on average
    over all lengths: what ranking adds to drawing customers by chance. 0 is no better than
    chance.
AUTOC | AUTOC | outcome per decision | By how much more the top of a list is changed than all, on
    average over all lengths of the top: it looks at the first few customers most.
AIPW | AIPW score | | A stand-in for a customer's effect, from what followed, the chances of the
    arms and predicted outcomes; its mean is right if either chances or predictions are (Robins et
    al. 1994).
sample-ratio mismatch | sample-ratio mismatch | | Arms that do not come as often as their chances
    say: rows were lost or mixed up, and no difference between the arms can be trusted.
power | power | share, 0–1 | How often an experiment of this size finds a difference of this size.
smallest difference shown | smallest difference shown | | The difference that an experiment finds as
    often as its power says; smaller ones are found less often, not never.
confidence sequence | interval for daily looks | | An interval that may be looked at every day: the
    chance that it ever leaves out the truth is what its level says (Waudby-Smith et al. 2024). At
    the planned end it is about half as wide again as an interval made for a single look.
burn-in | burn-in | | The first days or customers of an experiment, before which there is no look:
    sums of few outcomes are not yet like a normal distribution.
design effect | design effect | times | How many times as many customers an experiment needs because
    they are drawn in groups whose members are alike.
layer | layer | | Experiments that exclude each other: a customer is in one of them at most.
balance | balance | standard deviations | How far arms differ in what was known before: chance
    leaves little.
placebo | placebo | | The same comparison for the time before the promotion, which it cannot have
    changed: a difference there says that the comparison is not fair.
E-value | E-value | times | How many times as frequent a hidden cause would have to be among the
    contacted, and raise the outcome as much, to explain an effect away (VanderWeele & Ding 2017).
response ranking | order by predicted response | | Customers most likely to buy first, whether or
    not the promotion is what makes them buy.
likely to redeem | likely to redeem | | A prediction of response; not a claim that contacting
    pays.
expected redemptions | expected redemptions | customers | The chances to redeem of all on
    the list added up, times the share of such sums that past promotions brought.
likely to respond | likely to respond | | A prediction: to use what the promotion takes off or,
    where it takes nothing off, to buy; not a claim that contacting pays.
expected responses | expected responses | customers | The chances to respond of all on the list
    added up, times the share of such sums that past promotions brought.
likely to buy | likely to buy | | A prediction of a purchase in answer to a recommendation; not a
    claim that contacting pays.
expected purchases | expected purchases | customers | The chances to buy of all on the list added
    up, times the share of such sums that past promotions brought.
prediction interval | 90 % prediction interval | | Of what is still to come, such as expected
    redemptions: made such that 90 of 100 new promotions fall into it. It holds what promotions
    differ by, which a 95 % interval of a mean does not.
expected discount cost | expected discount cost | money | Expected redemptions times what a redeemer
    of past promotions of the type took off with coupons; where effects chose the list, times what
    each customer's orders and the terms say.
break-even | break-even extra sales per contact | money | What each contact must bring in extra
    sales, before discounts come off, to pay for discounts, coupons and contacts: cost ÷ (margin ×
    contacts).
smallest effect | smallest effect that a holdout can see | money | The difference in sales per
    customer that 4 of 5 such trials would show. A smaller one may be there and stay unseen.
bought anyway | likely to have bought anyway | share, 0–1 | The mean chance to buy some of the
    promotion's products within its length, half by the customer's own rhythm, half by what others
    did who had been away as long: a guess, for only a holdout can tell. Of what is taken off, the
    part on orders that come anyway is told where the effect was measured.
assumed | assumed | | Stands beside a figure that the shop did not state, and beside whatever it
    enters; state it under [economics] in shop.toml.
redemption rate | redemption rate | share, 0–1 | Customers who redeemed ÷ customers contacted.
discount cost | discount cost | money | Coupon discounts on the promotion's
    products, to those who redeemed it, while it ran; other coupons on these products count too.
over-represented | over-represented | | A segment's share of the list is larger than its share of
    all customers.
quarantined | quarantined | rows | Rows left out by cleaning, each with the rule that it broke;
    none is lost.
flagged | flagged | rows | Rows kept, but left out where they would mislead, such as fuel in
    prices per unit.
provisional | provisional | | The promotion's window or the days in which purchases may come back
    are not over yet, so the figure may still change.
settled | settled | | Windows and return days are over: the figure no longer changes.
extra net sales | extra net sales | money per customer | Sales of those who got the promotion,
    whatever they bought, less those of customers held back or alike; after discounts, returns and
    cancels.
assigned | assigned | customers | Who was to get the promotion, by decision, whatever was sent or
    delivered; results are read by it.
standing holdout | standing holdout | customers | Customers never contacted, drawn by chance: they
    tell what promotions as a whole are worth.
unsubscribed or complained | unsubscribed or complained | share, 0–1 | Customers who did, of those
    contacted, of what the shop records of it; a promotion annoys from 2 % on.
not recorded | not recorded | | The shop never writes such answers down; that is not the same as
    none.
each in full | each in full | | Sales in the windows of several promotions count for each of them:
    do not add the promotions up.
verdict | verdict | | Repeat, change, stop or cannot tell, by one rule: whether the whole interval
    of the extra net sales lies above what pays, and whether too many were annoyed.
expected to date | expected to date | customers | Redemptions expected in all times the share that
    past promotions had by this part of their window, with a 90 % prediction interval.
inside its band | inside its band | | Redemptions so far lie in the interval of those expected to
    date; above or below it, something is unlike past promotions.
pseudonym | pseudonym | | A made-up id that stands for a customer on pages; files for other
    systems hold the real one.
p_value | p-value | 0–1 | How often chance alone would give a difference at least as large.
"""

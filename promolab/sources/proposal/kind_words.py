"""What shops call the kinds of the contract: what an event, a promotion or a response is."""

from __future__ import annotations

from collections.abc import Mapping

from promolab.sources.proposal.synonyms import key, words_of

__all__ = ["STATUS_DONE", "kind_of_word"]

_KIND_WORDS: Mapping[str, Mapping[str, str]] = {
    "events": {
        "purchase": "purchase buy bought order ordered paid pay sale sold checkout complete "
        "completed transaction payment invoice kauf verkauf gekauft bestellung rechnung achat "
        "vente commande compra venta pedido 购买 下单 支付 付款 成交 销售",
        "view": "view viewed pv pageview viewitem productview detail detailview browse visit "
        "impression ansicht angesehen besuch vue consultation vista visita 浏览 查看 访问",
        "click": "click clicked klick clic 点击",
        "cart": "cart addtocart add addcart tocart basket addtobasket warenkorb panier "
        "ajoutpanier carrito 加购 加入购物车 购物车",
        "return": "return returned refund refunded creditnote retoure ruckgabe ruecksendung "
        "rucksendung gutschrift erstattung retour remboursement avoir devolucion reembolso 退货 "
        "退款",
        "cancel": "cancel canceled cancelled cancellation storno storniert annulation annule "
        "cancelado cancelacion 取消 撤单",
        "share": "share shared teilen geteilt partage compartir 分享",
    },
    "promotions": {
        "coupon": "coupon coupons voucher vouchers gutschein bon cupon 优惠券 代金券",
        "limited_time_discount": "discount sale markdown flashsale limitedtime rabatt remise "
        "descuento 限时折扣 折扣 打折",
        "full_reduction": "fullreduction spendandsave threshold thresholddiscount 满减",
        "recommendation": "recommendation informational information empfehlung recommandation "
        "recomendacion 推荐",
    },
    "responses": {
        "delivered": "delivered received zugestellt delivre entregado 送达",
        "open": "open opened viewed geoffnet ouvert abierto 打开",
        "click": "click clicked klick clic 点击",
        "claim": "claim claimed activated aktiviert 领取",
        "redeem": "redeem redeemed redemption used eingelost utilise canjeado 核销 使用",
        "purchase": "purchase purchased converted conversion completed buy kauf achat compra 购买",
        "unsubscribe": "unsubscribe unsubscribed optout abgemeldet desabonne baja 退订",
        "complaint": "complaint spam beschwerde plainte queja 投诉",
        "share": "share shared 分享",
    },
}

STATUS_DONE = words_of(
    "complete completed paid shipped delivered closed invoiced fulfilled finished done success "
    "successful bezahlt versendet geliefert abgeschlossen livre expedie paye termine pagado "
    "enviado entregado completado 已完成 已支付 已发货 已签收 交易成功 完成"
)
"""States of an order that was paid or sent."""

_BY_KIND = {
    table: {word: kind for kind, words in kinds.items() for word in [kind, *words.split()]}
    for table, kinds in _KIND_WORDS.items()
}


def kind_of_word(table: str, word: str) -> str | None:
    """Return the contract's kind that a word of theirs stands for, if it is known.

    Examples
    --------
    >>> kind_of_word("events", "Add-to-Cart"), kind_of_word("events", "下单")
    ('cart', 'purchase')
    """
    return _BY_KIND.get(table, {}).get(key(word))

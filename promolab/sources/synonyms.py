"""What shops call their tables and columns, in English, German, French, Spanish and Chinese.

Words are written as `key` writes them: lower case, without accents, spaces and signs. The earlier
of two words that both occur is the better one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


CURRENCIES = words_of(
    "AUD BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NOK NZD PLN "
    "RON SEK SGD THB TRY TWD USD VND ZAR"
)
"""Codes that are looked for in names of columns."""

_SPOKEN = {"DOLLAR": "USD", "DOLLARS": "USD", "EURO": "EUR", "EUROS": "EUR"}

_TABLE_WORDS: Mapping[str, str] = {
    "promotion_products": "promotionproducts promotionitems campaignproducts campaignitems "
    "offerproducts couponproducts coupons",
    "promotions": "promotions promotion promos promo campaigns campaign campaigndescriptions "
    "offers kampagnen aktionen aktionsplan kampagnenplan angebote campagnes offres promociones "
    "campanas 促销 活动 营销活动",
    "exposures": "exposures exposure sends send mailings mailing contacts contact contacthistory "
    "impressions targets campaignmembers campaigncustomers treated versand kontakte aussendungen "
    "envois envios contactos 触达 推送 发送记录",
    "responses": "responses response redemptions redemption redeemed conversions "
    "couponredemptions couponredemption opens einloesungen einlosungen reaktionen reponses "
    "conversiones respuestas canjes 响应 核销 转化",
    "events": "events event orderlines orderitems orderdetails orderlineitems orders order "
    "transactions transaction sales sale salesdata invoicelines invoiceitems invoices invoice "
    "lineitems purchases purchase receipts baskets retail clickstream clicks pageviews pageview "
    "views visits behavior userbehavior behaviors interactions activity actions weblog browsing "
    "bestellpositionen bestellungen auftrage auftraege rechnungspositionen rechnungen umsatze "
    "umsaetze verkaufe verkaeufe kaufe transaktionen belege kassenbons lignescommande commandes "
    "factures ventes achats lineaspedido pedidos facturas ventas compras transacciones 订单明细 "
    "订单 订单表 交易 交易记录 销售 销售记录 购买记录 行为 用户行为 日志 点击流 浏览记录",
    "products": "products product items item articles article sku skus catalog catalogue goods "
    "assortment artikel artikelstamm produkte sortiment produits productos articulos catalogo "
    "商品 商品表 商品信息 产品",
    "customers": "customers customer users user clients client members member accounts buyers "
    "households demographics kunden kundenstamm kundendaten mitglieder utilisateurs membres "
    "clientes usuarios socios 客户 客户信息 用户 用户信息 会员 会员信息",
    "contact_rights": "contactrights consents consent optins permissions einwilligungen 授权",
    "reviews": "reviews review ratings bewertungen avis resenas valoraciones 评论 评价",
    "calendar": "calendar holidays holiday kalender feiertage calendrier joursferies calendario "
    "festivos 日历 节假日",
    "decisions": "decisions",
    "decision_propensities": "decisionpropensities propensities",
}

_CUSTOMER = (
    "customerid customerno customernumber customernr customercode custid custno customer cust "
    "clientid userid useruid userno memberid memberno membernumber buyerid accountid shopperid "
    "visitorid householdid householdkey personid contactid loyaltyid cardid cardno user member "
    "buyer account visitor uid kundennummer kundennr kundenid kdnr kunde idclient numeroclient "
    "numclient codeclient client acheteur idcliente clienteid codigocliente numerocliente cliente "
    "usuario 客户编号 客户id 客户号 客户代码 顾客id 顾客编号 用户id 用户编号 会员id 会员编号 "
    "会员号 会员卡号 买家id 客户 顾客 用户 会员 买家"
)
_PRODUCT = (
    "productid productcode productno productnumber productsku skuid skucode sku itemid itemno "
    "itemnumber itemcode stockcode articleid articleno articlenumber articlecode asin ean upc gtin "
    "isbn goodsid materialno product item article artikelnummer artikelnr artikelid artnr "
    "produktnummer produktnr produktid artikel produkt idproduit codeproduit refproduit "
    "referenceproduit reference codearticle idarticle produit idproducto codigoproducto "
    "codigoarticulo idarticulo codigo producto articulo 商品编码 商品编号 商品id 商品号 商品代码 "
    "产品编码 产品编号 产品id 货号 物料编码 商品 产品"
)
_PROMOTION = (
    "promotionid promoid promocode campaignid campaigncode campaign promotion promo offerid "
    "kampagneid kampagnennummer kampagne aktionsnummer aktionsnr aktionsid aktion idcampagne "
    "campagne idoperation idcampana campana idpromocion promocion 活动id 活动编号 促销id 促销编号 "
    "活动"
)
_ORDER = (
    "orderid orderno ordernumber ordernr invoiceno invoiceid invoicenumber invoicenr transactionid "
    "transactionno basketid receiptid receiptno ticketid ticketno billno billid salesorderid order "
    "invoice transaction basket receipt ticket bill bestellnummer bestellnr bestellid bestellung "
    "rechnungsnummer rechnungsnr rechnung belegnummer belegnr beleg auftragsnummer auftragsnr "
    "auftrag bonnummer bonnr numerocommande numcommande nocommande idcommande commande "
    "numerofacture numfacture facture idpedido numeropedido nropedido pedido numerofactura "
    "nrofactura idfactura factura 订单号 订单编号 订单id 单号 交易号 发票号 小票号 流水号 订单"
)
_TIME = (
    "timestamp eventtime eventtimestamp eventdatetime invoicedate orderdate orderdatetime "
    "ordertime purchasetimestamp purchasedate purchasetime transactiondate transactiontime "
    "transactiontimestamp saledate salesdate saletime datetime orderedat purchasedat occurredat "
    "placedat createdat created time date day visittime viewtime bestelldatum kaufdatum "
    "rechnungsdatum belegdatum verkaufsdatum auftragsdatum buchungsdatum zeitpunkt zeitstempel "
    "datum zeit datecommande dateachat datefacture datevente horodatage dateheure fechapedido "
    "fechacompra fechaventa fechafactura fechahora fecha 下单时间 下单日期 订单时间 订单日期 "
    "购买时间 购买日期 交易时间 交易日期 支付时间 付款时间 成交时间 行为时间 事件时间 消费时间 "
    "创建时间 时间戳 时间 日期 dt dat"
)
_AMOUNT = (
    "amount totalamount lineamount linetotal totalprice ordertotal ordervalue orderamount "
    "salesvalue salesamount revenue turnover netamount grossamount netsales grosssales "
    "paymentvalue paidamount amountpaid spend total sales sale payment value subtotal "
    "extendedprice grandtotal dollars dollar dollarsales salesdollars euros euro "
    "gesamtbetrag gesamtpreis umsatz betrag summe gesamt nettobetrag "
    "bruttobetrag nettoumsatz bruttoumsatz positionsbetrag rechnungsbetrag bestellwert warenwert "
    "positionswert zeilensumme gesamtwert montanttotal montantttc montant prixtotal "
    "chiffreaffaires importetotal importe montototal monto preciototal ventas 实付金额 支付金额 "
    "付款金额 成交金额 交易金额 订单金额 销售金额 "
    "销售额 总金额 金额 总价"
)
_QUANTITY = (
    "quantity qty units unitssold orderqty orderquantity itemqty itemcount pieces pcs menge anzahl "
    "stuck stueck stuckzahl stueckzahl quantite qte cantidad unidades uds 数量 件数 购买数量 "
    "销售数量 销量"
)
_PRICE = (
    "unitprice priceperunit pricepereach itemprice sellingprice saleprice productprice price "
    "listprice einzelpreis stuckpreis stueckpreis verkaufspreis vkpreis preis prixunitaire "
    "prixdevente prix pu preciounitario precioventa precio 单价 商品单价 商品价格 售价 价格"
)
_KIND = (
    "eventtype eventname event behaviortype behaviourtype behavior behaviour actiontype action "
    "activitytype activity interaction transactiontype type vorgangsart vorgang ereignis belegart "
    "aktion art typeevenement evenement tipoevento evento accion typ tipo 行为类型 事件类型 "
    "操作类型 交易类型 行为 事件 动作 类型"
)
_CHANNEL = "channelname medium kanal canal 渠道"
_START = (
    "startdate startat starttime start begindate begin validfrom fromdate from startdatum beginn "
    "von gultigvon datedebut debut fechainicio inicio desde 开始时间 开始日期 起始时间"
)
_END = (
    "enddate endat endtime end finish validto validuntil todate until to enddatum ende bis "
    "gultigbis datefin fin fechafin hasta 结束时间 结束日期 截止时间"
)
_STORE = (
    "storeid storeno storecode store shopid branchid outletid locationid shop branch outlet "
    "filialnummer filialnr filialid filiale markt magasin boutique idtienda tienda sucursal "
    "门店id 门店编号 店铺id 店铺编号 门店 店铺"
)

_COLUMN_WORDS: Mapping[str, Mapping[str, str]] = {
    "events": {
        "customer_id": _CUSTOMER,
        "ts": _TIME,
        "kind": _KIND,
        "product_id": _PRODUCT,
        "order_id": _ORDER,
        "quantity": _QUANTITY,
        "amount": _AMOUNT,
        "price": _PRICE,
        "discount": "discountamount discountvalue totaldiscount rebate markdown rabattbetrag "
        "rabatt nachlass preisnachlass remise descuento 折扣金额 优惠金额 优惠",
        "coupon_discount": "coupondisc couponamount couponvalue voucherdiscount voucheramount "
        "gutscheinbetrag gutscheinrabatt gutschein descuentocupon 优惠券金额 优惠券抵扣",
        "store_id": _STORE,
        "status": "orderstatus orderstate paymentstatus bestellstatus auftragsstatus statut estado "
        "订单状态 状态",
        "time_of_day": "time timeofday transtime ordertime saletime uhrzeit zeit heure hora 时间 "
        "时刻",
        "currency": "currencycode curr isocurrency wahrung waehrung wahrungscode devise monnaie "
        "moneda divisa 币种 货币",
    },
    "products": {
        "product_id": _PRODUCT + " id",
        "category": "categoryname productcategoryname productcategory maincategory itemcategory "
        "categoryid categorycode productgroup producttype subcategory group kategorie warengruppe "
        "produktgruppe artikelgruppe produktkategorie categorie famille rayon categoria familia "
        "商品类目 商品类别 商品分类 类目 品类 类别 分类 类目id",
        "brand": "brandname manufacturer marke hersteller marque marca fabricante 品牌",
        "type": "articletype commodity subcommodity subclass produktart sousfamille 子类目",
        "maker": "makerid manufacturerid manufacturercode herstellernummer fabricantid 制造商",
        "department": "dept departmentname abteilung departement departamento seccion 部门 "
        "一级类目 大类",
        "private_label": "ownbrand isprivatelabel eigenmarke marquepropre marcapropia 自有品牌",
        "margin_rate": "marginpct margenrate",
    },
    "customers": {
        "customer_id": _CUSTOMER + " id",
        "since": "joinedat joindate joined signupdate signupat registeredat registrationdate "
        "membersince customersince createdat created kundeseit registrierungsdatum anmeldedatum "
        "eintrittsdatum dateinscription inscription fecharegistro fechaalta 注册时间 注册日期 "
        "入会时间 入会日期",
        "status": "customerstatus membershipstatus clubmemberstatus",
        "cluster_id": "householdid householdkey household haushalt foyer hogar 家庭id",
    },
    "promotions": {
        "promotion_id": _PROMOTION + " id",
        "name": "promotionname campaignname promotiontitle campaigntitle offername title titel "
        "titulo 名称 标题 活动名称 活动标题 促销名称",
        "kind": "promotiontype campaigntype promotype offertype type aktionsart art typ tipo "
        "活动类型 促销类型",
        "starts_at": _START,
        "ends_at": _END,
        "channel": _CHANNEL,
        "discount_rate": "discountpct discountpercent rabattsatz rabattpercent remisepercent",
        "threshold": "minspend minimumspend minordervalue difficulty mindestbestellwert 门槛",
        "reduction": "reward discountamount vouchervalue couponvalue rabattbetrag gutscheinwert",
        "steps": "maxsteps repeats maxrepeats maxtimes",
        "stacking": "stackable combinable kombinierbar cumulable acumulable 可叠加",
    },
    "promotion_products": {
        "promotion_id": _PROMOTION,
        "product_id": _PRODUCT,
        "coupon_id": "couponupc couponcode coupon gutscheincode 优惠券id",
    },
    "exposures": {
        "promotion_id": _PROMOTION,
        "customer_id": _CUSTOMER,
        "ts": "sentat senton senddate sendtime sent contactdate contactedat versanddatum versandam "
        "gesendetam dateenvoi fechaenvio 发送时间 触达时间 " + _TIME,
        "channel": _CHANNEL,
    },
    "responses": {
        "promotion_id": _PROMOTION,
        "customer_id": _CUSTOMER,
        "ts": "redeemedat redemptiondate convertedat responsedate openedat clickedat "
        "einlosedatum 核销时间 " + _TIME,
        "kind": _KIND,
        "amount": _AMOUNT,
        "coupon_id": "couponupc couponcode coupon gutscheincode 优惠券id",
    },
    "contact_rights": {
        "customer_id": _CUSTOMER,
        "channel": _CHANNEL,
        "allowed": "optin consent permission einwilligung erlaubt consentement 同意 授权",
    },
    "reviews": {
        "customer_id": _CUSTOMER,
        "product_id": _PRODUCT,
        "ts": "reviewdate reviewtime " + _TIME,
        "rating": "stars score overall bewertung valoracion 评分",
        "text": "reviewtext comment kommentar comentario 评论",
        "order_id": _ORDER,
    },
    "calendar": {
        "name": "holidayname holiday description title bezeichnung feiertag nom nombre 名称",
        "starts_at": _START,
        "ends_at": _END,
    },
}

# A date that is not that of an order.
_OTHER_TIMES = words_of(
    "birth birthday geburt geburts naissance nacimiento due ship shipping shipped delivery "
    "delivered updated modified expiry expires estimated approved liefer lieferdatum geburtsdatum "
    "carrier limit return returned"
)
# So common that a longer name tells nothing by ending in them.
_ONLY_ALONE = frozenset(
    {"id", "to", "from", "von", "bis", "desde", "hasta", "name", "nom", "nombre"}
)
_TRAILING = frozenset(
    {"utc", "local", "at", "hash", "key", "raw", "new", "value", "eur", "usd", "cents"}
)
_ABOUT_TABLE = words_of(
    "export exports data all full table tbl list dump dim fact fct raw history hist stg src csv "
    "extract report daten"
)
_BY_WORD: dict[tuple[str, str], dict[str, int]] = {
    (table, column): {
        word: n for n, word in enumerate([column.replace("_", ""), *words.split()], 1)
    }
    for table, columns in _COLUMN_WORDS.items()
    for column, words in columns.items()
}
_BY_TABLE = {
    table: {word: n for n, word in enumerate(words.split(), 1)}
    for table, words in _TABLE_WORDS.items()
}


def _words(name: str) -> list[str]:
    """Return the words of a name, as `key` writes them; what stands in brackets is left out."""
    plain = re.sub(r"[(（\[].*?[)）\]]", " ", name) or name
    plain = plain.replace("%", " percent ")
    plain = unicodedata.normalize("NFKD", plain)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    plain = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return [word for word in re.split(r"[\W_]+", plain.casefold()) if word]


def key(name: str) -> str:
    """Return a name in lower case, without accents, signs and what stands in brackets.

    Examples
    --------
    >>> key("Customer ID"), key("Stückpreis (EUR)"), key("客户编号")
    ('customerid', 'stuckpreis', '客户编号')
    """
    return "".join(_words(name))


def column_rank(table: str, column: str, name: str) -> int | None:
    """Return how well a name of theirs fits a column of the contract: lower is better.

    Parameters
    ----------
    table, column : str
        The contract's; ``events`` also has ``price``, ``status``, ``time_of_day`` and ``currency``.
    name : str
        Theirs.

    Returns
    -------
    int or None
        0 where they call it alike, below 1,000 for a known name, above for the end of a longer one.

    Examples
    --------
    >>> column_rank("events", "customer_id", "CUSTOMER_ID"), column_rank("events", "ts", "colour")
    (0, None)
    >>> column_rank("events", "ts", "birth_date") is None
    True
    """
    if name.lower() == column:
        return 0
    words = _words(name)
    known = _BY_WORD.get((table, column), {column.replace("_", ""): 1})
    if column == "ts" and _OTHER_TIMES & set(words):
        return None
    if "".join(words) in known:
        return known["".join(words)]
    while len(words) > 1 and words[-1] in _TRAILING:
        words = words[:-1]
        if "".join(words) in known:
            return 500 + known["".join(words)]
    for start in range(1, len(words)):
        ending = "".join(words[start:])
        if ending in known and ending not in _ONLY_ALONE:
            return 1_000 * start + known[ending]
    return None


def table_rank(table: str, name: str) -> int | None:
    """Return how well a name of theirs fits a table of the contract: lower is better.

    Examples
    --------
    >>> table_rank("events", "sales_2011-01") is None, table_rank("customers", "sales") is None
    (False, True)
    """
    if name.lower() == table:
        return 0
    known = _BY_TABLE[table]
    words = [re.sub(r"\d+", "", word) for word in _words(name)]
    words = [word for word in words if word and word not in _ABOUT_TABLE]
    # "order_items" are order lines, "customers_orders" are orders: the end of a name counts first.
    for start in range(len(words)):
        if "".join(words[start:]) in known:
            return 100 * start + known["".join(words[start:])]
    for end in range(len(words) - 1, 0, -1):
        if "".join(words[:end]) in known:
            return 1_000 + known["".join(words[:end])]
    # "Newsletterversand" is a Versand: German writes its words together.
    ends = [known[word] for word in known if len(word) > 5 and "".join(words).endswith(word)]
    return 2_000 + min(ends) if ends else None


def currency_in(name: str) -> str | None:
    """Return the currency that the name of a column says.

    Examples
    --------
    >>> currency_in("Betrag (EUR)"), currency_in("dollars"), currency_in("Amount")
    ('EUR', 'USD', None)
    """
    words = {word.upper() for word in re.split(r"[\W\d_]+", name)}
    words = (words & CURRENCIES) | {_SPOKEN[word] for word in words if word in _SPOKEN}
    if not words and re.search(r"[(（]元[)）]", name):
        return "CNY"
    return words.pop() if len(words) == 1 else None


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
        "return": "return returned refund refunded creditnote retoure retourniert ruckgabe "
        "ruecksendung rucksendung gutschrift erstattung erstattet retour retourne retournee "
        "remboursement rembourse remboursee avoir devolucion devuelto devuelta reembolso "
        "reembolsado 退货 退款 已退货 已退款",
        "cancel": "cancel canceled cancelled cancellation storno storniert annulation annule "
        "annulee cancelado cancelada cancelacion anulado anulada 取消 已取消 撤单",
        "share": "share shared teilen geteilt partage compartir 分享",
    },
    "promotions": {
        "coupon": "coupon coupons voucher vouchers gutschein gutscheincode bon cupon 优惠券 代金券",
        "limited_time_discount": "discount sale markdown flashsale limitedtime rabatt rabattaktion "
        "sonderangebot remise soldes descuento rebajas oferta 限时折扣 折扣 打折",
        "full_reduction": "fullreduction spendandsave threshold thresholddiscount 满减",
        "recommendation": "recommendation informational information newsletter empfehlung "
        "recommandation recomendacion 推荐",
    },
    "responses": {
        "delivered": "delivered received zugestellt delivre entregado 送达",
        "open": "open opened viewed geoffnet ouvert abierto 打开",
        "click": "click clicked klick geklickt clic clique 点击",
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
    "successful bezahlt versendet versandt geliefert zugestellt erledigt abgeschlossen livre "
    "livree expedie expediee paye payee termine terminee pagado pagada enviado enviada entregado "
    "entregada completado 已完成 已支付 已付款 已发货 已收货 已签收 交易成功 完成"
)
"""States of an order that was paid or sent."""

STATUS_OPEN = words_of(
    "new open opened pending processing inprocess inprogress awaitingpayment onhold created draft "
    "failed declined rejected unpaid neu offen inbearbeitung ausstehend entwurf abgelehnt "
    "unbezahlt fehlgeschlagen nouveau nouvelle encours enattente refuse nuevo pendiente enproceso "
    "rechazado 待付款 待支付 待发货 处理中 未支付 未付款 交易关闭 已关闭"
)
"""States of an order that is not, or not yet, a purchase."""

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

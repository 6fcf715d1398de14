import time, promolab
def test_p(small_shop, tmp_path):
    import shutil; shutil.copytree(small_shop,"/tmp/rt/small",dirs_exist_ok=True)
    for w in ("2017-W44","2017-W45","2017-W19","2017-W52"):
        t=time.time()
        try: print(w, promolab.run_report("/tmp/rt/small", week=w, out="/tmp/rt/out"), time.time()-t)
        except Exception as e: print(w,"FAILED",repr(e)[:600])

"""Real data on the 20 US stocks of `us20`: prices, filings, insiders, macro, news.

    export FRED_API_KEY=… NEWS_API_KEY=… ALPHAVANTAGE_API_KEY=…
    python experiments/fetch.py --config=experiments/data/us20.py \\
        --config.user_agent="name name@example.com"

A source that lacks its key is passed over: `--config.sources="('yahoo','sec')"` names
those wanted. Most sources have a whole history at once; the free plans of news reach
back a month (NewsAPI) and answer 25 requests a day (Alpha Vantage), so that a store of
news grows by being run again on later days.

These 20 were chosen knowing that they survived: the results on them are flattered.
"""

from ml_collections import ConfigDict, config_dict

# The SEC's number of each company, and how the news write of it.
COMPANIES = {
    "AAPL": (320193, '"Apple Inc" OR AAPL'),
    "AMD": (2488, '"Advanced Micro Devices" OR AMD'),
    "BAC": (70858, '"Bank of America"'),
    "BBY": (764478, '"Best Buy"'),
    "CVX": (93410, "Chevron"),
    "GE": (40545, '"General Electric" OR "GE Aerospace"'),
    "HD": (354950, '"Home Depot"'),
    "JNJ": (200406, '"Johnson & Johnson"'),
    "JPM": (19617, '"JPMorgan"'),
    "KO": (21344, '"Coca-Cola"'),
    "LLY": (59478, '"Eli Lilly"'),
    "MRK": (310158, '"Merck & Co" OR "Merck"'),
    "MSFT": (789019, "Microsoft"),
    "PEP": (77476, "PepsiCo"),
    "PFE": (78003, "Pfizer"),
    "PG": (80424, '"Procter & Gamble"'),
    "RRC": (315852, '"Range Resources"'),
    "UNH": (731766, "UnitedHealth"),
    "WMT": (104169, "Walmart"),
    "XOM": (34088, '"Exxon Mobil" OR ExxonMobil'),
}


def get_config() -> ConfigDict:
    """Returns what `experiments/fetch.py` fetches."""
    companies = {
        ticker: {"cik": cik, "query": query}
        for ticker, (cik, query) in COMPANIES.items()
    }
    return config_dict.create(
        store="stores/us20",  # The folder; many configs may share one.
        sources=("yahoo", "sec", "treasury", "fred", "newsapi", "alphavantage"),
        start="2009-01-01",
        until="",  # The last day, today if "". Another day asks for everything anew.
        tickers=ConfigDict(companies, allow_dotted_keys=True),  # As BRK.B has one.
        series=("DGS10", "DGS3MO"),  # What the macro features read.
        user_agent="",  # The SEC wants your name and e-mail address.
        sec_headers=False,  # Exact hours of acceptance, for twice the requests.
        newsapi_plan="developer",  # Or business, whose articles are not a day late.
        bars="",  # Folder of files of your own, for the source bars;
        splits="",  # and CSV files of their splits
        dividends="",  # and dividends.
        membership="",  # CSV file of the universe's members and delistings.
        mirror="",  # http://127.0.0.1:PORT, where https://HOST/PATH is /HOST/PATH.
    )

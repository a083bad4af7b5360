from warehouse_api import Cfg, warehouse


async def verify_credentials(cfg: Cfg) -> bool:
    async with warehouse(cfg) as session:
        await session.shelves()
    return True
